"""The template that is restored from disk; where that does not work, one that is initialised here."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from rapid.environments.proc import children
from rapid.environments.reaper import Exit, Reaper
from rapid.snapshots import manifest
from rapid.snapshots.criu import Criu, CriuError
from rapid.snapshots.hosts import Host
from rapid.snapshots.manifest import Manifest, Place
from rapid.snapshots.store import Broken, Store
from rapid.snapshots.template import Description, TemplateClient, TemplateError

UNKNOWN = "\0"
"""In place of the value of a variable: it is to be set whatever it was. No variable has a NUL."""

KILL_LIMIT = 3.0

log = logging.getLogger("rapid")


class NotRestored(Exception):
    """The snapshot is not restored; the text says why, all reasons together."""


class RestoredHost:
    """A template that is restored from disk.

    Args:
        store: where it is.
        criu: restores it.
        reaper: tells of its exit.
        place: where this is; of its variables, those count that every environment is given.
    """

    def __init__(self, store: Store, criu: Criu, reaper: Reaper, place: Place) -> None:
        self.environ: Mapping[str, str] = {}
        self._store = store
        self._criu = criu
        self._reaper = reaper
        self._place = place
        self._socket = ""
        self._pid = 0
        self._left = asyncio.Event()
        self._gone: Callable[[], None] | None = None

    @property
    def client(self) -> TemplateClient:
        """See `Host.client`."""
        return TemplateClient(self._socket)

    @property
    def alive(self) -> bool:
        """See `Host.alive`."""
        return self._pid > 0 and not self._left.is_set()

    async def start(self, gone: Callable[[], None]) -> Description:
        """See `Host.start`; raises `NotRestored` in the first place."""
        try:
            found, images = await asyncio.to_thread(self._store.read)
            stale = await asyncio.to_thread(manifest.reasons, found.conditions, self._place)
            if stale:
                raise NotRestored("; ".join(stale))
            # Nothing is asked of it before its images have turned out to be whole.
            checked = asyncio.ensure_future(asyncio.to_thread(self._store.check, found, images))
            try:
                await self._restore(found, images)
            finally:
                await asyncio.wait([checked])
            await checked
            description = await self.client.describe()
        except (Broken, CriuError, TemplateError, OSError) as error:
            raise NotRestored(str(error)) from None
        known = manifest.same_variables(found.conditions, self._place.environ)
        self.environ = {name: UNKNOWN if value is None else value for name, value in known.items()}
        self._gone = gone
        return description

    async def _restore(self, found: Manifest, images: Path) -> None:
        folder = os.path.dirname(found.socket)
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)
        status = os.lstat(folder)
        if status.st_uid != os.geteuid() or status.st_mode & 0o077:
            raise Broken(f"{folder}, where the template would listen, is not ours alone")
        self._socket = found.socket
        with contextlib.suppress(FileNotFoundError):
            os.unlink(found.socket)
        work = tempfile.mkdtemp(prefix="rapid-restore-")
        try:
            with self._reaper.expecting():
                await self._criu.restore(images, Path(work))
                self._pid = found.pid
                self._reaper.watch(found.pid, self._exited)
        except BaseException:
            if found.pid in children(os.getpid()):  # what criu has left behind
                os.kill(found.pid, signal.SIGKILL)
            raise
        finally:
            shutil.rmtree(work, ignore_errors=True)

    async def stop(self) -> None:
        """See `Host.stop`."""
        self._gone = None
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._left.wait(), KILL_LIMIT)
        if self._socket:
            shutil.rmtree(os.path.dirname(self._socket), ignore_errors=True)

    def _exited(self, _: Exit) -> None:
        self._left.set()
        if self._gone:
            gone, self._gone = self._gone, None
            gone()


class RestoredOrInitialised:
    """A `Host` that restores a snapshot, and is initialised here where that does not work: why is told.

    Args:
        restored: restores it.
        initialised: in its place otherwise.
        folder: where the snapshot is, for the log.
    """

    def __init__(self, restored: RestoredHost, initialised: Host, folder: str) -> None:
        self._host: Host = restored
        self._restored = restored
        self._initialised = initialised
        self._folder = folder

    @property
    def environ(self) -> Mapping[str, str]:
        """See `Host`."""
        return self._host.environ

    @property
    def client(self) -> TemplateClient:
        """See `Host.client`."""
        return self._host.client

    @property
    def alive(self) -> bool:
        """See `Host.alive`."""
        return self._host.alive

    async def start(self, gone: Callable[[], None]) -> Description:
        """See `Host.start`."""
        try:
            return await self._restored.start(gone)
        except NotRestored as error:
            log.warning("snapshot: %s is not restored: %s: the function is initialised here", self._folder, error)
            await self._restored.stop()
        self._host = self._initialised
        return await self._initialised.start(gone)

    async def stop(self) -> None:
        """See `Host.stop`."""
        await self._host.stop()
