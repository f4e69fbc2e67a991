"""The backend that forks a template: makes it, and anew when it has died or its function's files have changed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rapid.environments.reaper import Reaper
from rapid.snapshots import changes
from rapid.snapshots.forked import PreparedFork, prepare
from rapid.snapshots.hosts import Host, Unsupported
from rapid.snapshots.template import Description, TemplateError

LOOK_AGAIN = 1.0
"""Seconds between two looks at the function's files."""

MAKE_AGAIN = 5.0
"""Seconds from the making of one template to that of the next: what cannot live is not to keep the machine busy."""

MAKE_AGAIN_AT_LAST = 300.0
"""The same, where it has failed again and again: each failure doubles the time."""

log = logging.getLogger("rapid")


@dataclass(slots=True)
class Template:
    """A template that stands ready.

    Attributes:
        host: keeps it.
        files: how the function's files stood when it was made.
        looked: when they were looked at last, seconds of the loop's clock.
    """

    host: Host
    files: changes.Prints
    looked: float


class Forking:
    """A `SnapshotBackend` that forks one template.

    Processes are prepared one at a time, in the order they are asked for. While the first template is being made they
    wait for it. Later, while there is none, there is no process either, and the next template is made meanwhile.

    Args:
        new_host: makes the host of another template.
        reaper: tells of the forks' exits.
        root: the task root.
    """

    def __init__(self, new_host: Callable[[], Host], reaper: Reaper, root: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._new_host = new_host
        self._reaper = reaper
        self._root = root
        self._template: Template | None = None
        self._making: asyncio.Task[None] | None = None
        self._later: asyncio.TimerHandle | None = None
        self._due = 0.0  # when another one may be made, seconds of the loop's clock
        self._failures = 0
        self._first = True
        self._over = False  # there cannot be a template, or there is to be none any more
        self._turn = asyncio.Lock()
        self._endings: set[asyncio.Task[None]] = set()

    def begin(self) -> None:
        """See `SnapshotBackend.begin`."""
        self._make()

    async def prepare(self, environ: Mapping[str, str], cwd: str, *, framed_log: bool) -> PreparedFork | None:
        """See `SnapshotBackend.prepare`."""
        if self._first and self._making:
            await asyncio.wait([self._making])
        async with self._turn:
            await self._look_at_files()
            template = self._template
            if template is None:
                self._make()
                return None
            try:
                changed = differences(template.host.environ, environ)
                return await prepare(template.host.client, self._reaper, changed, cwd, framed_log=framed_log)
            except TemplateError as error:
                self._replace(f"the template cannot be forked: {error}")
            except OSError as error:
                log.warning("snapshot: the template cannot be forked: %s", error.strerror or error)
            return None

    async def stop(self) -> None:
        """See `SnapshotBackend.stop`."""
        self._over = True
        if self._later:
            self._later.cancel()
        if self._making:
            self._making.cancel()
            await asyncio.wait([self._making])
        if self._template:
            self._end(self._template.host)
            self._template = None
        if self._endings:
            await asyncio.wait(self._endings)

    # Making one

    def _make(self) -> None:
        """Make a template as soon as one may be made, unless there is one, or one is on its way."""
        if self._over or self._making or self._template or self._later:
            return
        wait = self._due - self._loop.time()
        if wait > 0:
            self._later = self._loop.call_later(wait, self._begin)
        else:
            self._begin()

    def _begin(self) -> None:
        self._later = None
        self._due = self._loop.time() + min(MAKE_AGAIN * 2**self._failures, MAKE_AGAIN_AT_LAST)
        self._making = self._loop.create_task(self._made())

    async def _made(self) -> None:
        host = self._new_host()
        try:
            before = await asyncio.to_thread(lambda: changes.prints(changes.tree(self._root)))
            description = await host.start(lambda: self._died(host))
            files = await asyncio.to_thread(self._files, before, description.files)
            if not host.alive:
                raise TemplateError("it has left after its init")
            self._template, self._failures = Template(host, files, self._loop.time()), 0
            _tell(description)
        except Unsupported as error:
            self._over = True
            log.warning("snapshot: %s: every environment is initialised by itself", error)
        except (TemplateError, OSError) as error:
            log.warning("snapshot: there is no template: %s: environments are initialised by themselves", error)
        finally:
            self._making, self._first = None, False
            if self._template is None:
                self._end(host)
                self._failures += 1
                self._make()

    def _files(self, before: changes.Prints, loaded: list[str]) -> changes.Prints:
        """What a template depends on: what it has loaded, and what was there before it."""
        written = dict.fromkeys(changes.tree(self._root))
        return written | changes.prints(loaded) | dict(before)

    # Losing it

    def _died(self, host: Host) -> None:
        if self._template and self._template.host is host:
            self._replace("the template has left")

    async def _look_at_files(self) -> None:
        template, now = self._template, self._loop.time()
        if template is None or now < template.looked + LOOK_AGAIN:
            return
        template.looked = now
        changed = await asyncio.to_thread(changes.changed, template.files, self._root)
        if changed and template is self._template:
            self._replace(f"{changed} has changed")

    def _replace(self, why: str) -> None:
        """Make another template; environments are initialised by themselves until there is one."""
        if self._template is None or self._over:
            return
        log.warning("snapshot: %s: the template is made anew", why)
        self._end(self._template.host)
        self._template = None
        self._make()

    def _end(self, host: Host) -> None:
        task = self._loop.create_task(host.stop())
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)


def differences(had: Mapping[str, str], wanted: Mapping[str, str]) -> dict[str, str | None]:
    """What has to change in the variables of a fork; those that its function has set in its init stay."""
    changed: dict[str, str | None] = {name: value for name, value in wanted.items() if had.get(name) != value}
    return changed | {name: None for name in had if name not in wanted}


def _tell(description: Description) -> None:
    """Name what a fork does not carry."""
    if description.threads:
        log.warning("snapshot: threads of the init that no environment has: %s", ", ".join(description.threads))
    if description.sockets:
        log.warning(
            "snapshot: %d connections that were opened in the init are shared by all environments: open them at the"
            " first invocation, or close them in a before-snapshot hook",
            description.sockets,
        )
