"""Taking a snapshot to disk: initialise the function, let go of what is outside, write the process."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from pathlib import Path

from rapid.snapshots import manifest
from rapid.snapshots.changes import tree
from rapid.snapshots.criu import Criu, CriuError
from rapid.snapshots.hosts import InitialisedHost, Unsupported
from rapid.snapshots.manifest import Manifest, NotGatherable, Place
from rapid.snapshots.store import Store
from rapid.snapshots.template import Description, TemplateError

FIRST_PID = 5000
"""A process is restored under its old number, which must be free: the first ones of a container are not."""


class NotTaken(Exception):
    """There is no snapshot; the text is the reason."""


async def take(host: InitialisedHost, criu: Criu, store: Store, place: Place) -> Description:
    """Write a snapshot, in place of the one that was there.

    Args:
        host: initialises the function; has not been started, and is to be stopped by the caller.
        criu: writes it.
        store: where to.
        place: where this is, but for criu and the variables that the host gives.

    Returns:
        What the template was like.

    Raises:
        NotTaken: the function cannot be initialised, or written.
    """
    try:
        if criu.program is None:
            raise CriuError("there is no program criu")
        await asyncio.to_thread(raise_numbers, FIRST_PID)
        before = await asyncio.to_thread(tree, place.root)
        description = await host.start(lambda: None)
        place = replace(place, criu=criu.program, environ=host.environ)
        conditions = await asyncio.to_thread(manifest.gather, place, description.pid, [*before, *description.files])
        await host.client.quiesce()
        with store.writing() as images:
            await _dump(criu, description, images)
            contents = await asyncio.to_thread(store.contents, images)
            written = Manifest(images.name, contents, description.pid, host.path, conditions)
            await asyncio.to_thread(store.publish, written)
    except (TemplateError, Unsupported, NotGatherable, CriuError) as error:
        raise NotTaken(str(error)) from None
    except OSError as error:
        raise NotTaken(f"{error.filename or ''} cannot be written: {(error.strerror or str(error)).lower()}") from None
    return description


async def _dump(criu: Criu, description: Description, images: Path) -> None:
    try:
        await criu.dump(description.pid, images)
    except CriuError as error:
        if not description.sockets:
            raise
        what = "a connection that was opened in the init cannot be written: close it in a before-snapshot hook"
        raise CriuError(f"{what} ({error})") from None


def raise_numbers(least: int) -> None:
    """Have the next process get a number of at least `least`: every thread takes one."""
    for _ in range(least):
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
        if thread.native_id is None or thread.native_id >= least:
            return
