"""A process that came out of a template by a fork, and waits to become the runtime of an environment."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence

from rapid.environments.pipe import Pipe
from rapid.environments.process import PipedProcess
from rapid.environments.reaper import Exit, Reaper
from rapid.environments.sink import OutputSink
from rapid.snapshots.template import Connection, TemplateClient

GO = {"do": "go"}


class ForkedProcess(PipedProcess):
    """A fork that has been told to go on. It makes a process group of its own first: until then it has none."""

    def terminate(self) -> None:
        """See `PipedProcess.terminate`."""
        if self._running and not self._leads_a_group():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, signal.SIGTERM)
        else:
            super().terminate()

    def _leads_a_group(self) -> bool:
        try:
            return os.getpgid(self.pid) == self.pid
        except ProcessLookupError:
            return False


class PreparedFork:
    """A fork that waits for its "go".

    Attributes:
        pid: its number.
        on_lost: called when it has left while it waited.

    Args:
        pid: see above.
        connection: it waits there.
        pipes: what it is going to write to.
        reaper: tells of its exit.
    """

    def __init__(self, pid: int, connection: Connection, pipes: Sequence[Pipe], reaper: Reaper) -> None:
        self.pid = pid
        self._connection = connection
        self._pipes = pipes
        self._process: ForkedProcess | None = None
        self._left: Exit | None = None
        self._used = False
        self.on_lost: Callable[[], None] | None = None
        reaper.watch(pid, self._exited)

    @property
    def usable(self) -> bool:
        """Whether it can still be started."""
        return not self._used

    @property
    def lost(self) -> bool:
        """Whether it has left while it waited."""
        return self._left is not None and not self._used

    def start(self, sink: OutputSink, on_exit: Callable[[Exit], None]) -> ForkedProcess:
        """Let it go on, once; `on_exit` is called also for one that has left while it waited."""
        self._used = True
        self._process = process = ForkedProcess(self.pid, self._pipes, sink, on_exit)
        self._connection.tell(GO)
        self._connection.close()
        if self._left is not None:
            asyncio.get_running_loop().call_soon(process.exited, self._left)
        return process

    def discard(self) -> None:
        """It is not needed, and ended. Nothing happens to one that has been started."""
        if self._used:
            return
        self._used = True
        self._connection.close()
        for pipe in self._pipes:
            pipe.close()
        if self._left is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, signal.SIGKILL)

    def _exited(self, exit_: Exit) -> None:
        self._left = exit_
        if self._process:
            self._process.exited(exit_)
        elif self.lost and self.on_lost:
            self.on_lost()


async def prepare(
    client: TemplateClient, reaper: Reaper, environ: Mapping[str, str | None], cwd: str | None, *, framed_log: bool
) -> PreparedFork:
    """Have a template forked.

    Args:
        client: of the template.
        reaper: tells of the fork's exit.
        environ: variables to change in it: None removes one.
        cwd: its working directory; None: the template's.
        framed_log: give it a second pipe, for framed logs.

    Raises:
        TemplateError: the template does not do it.
        OSError: there is no pipe for it.
    """
    pipes: list[Pipe] = []
    with contextlib.ExitStack() as undo:
        try:
            for _ in range(2 if framed_log else 1):
                pipes.append(Pipe())
                undo.callback(pipes[-1].close)
            with reaper.expecting():
                pid, connection = await client.fork(environ, cwd, [pipe.theirs for pipe in pipes])
                prepared = PreparedFork(pid, connection, pipes, reaper)
        finally:
            for pipe in pipes:
                os.close(pipe.theirs)
        undo.pop_all()
    return prepared
