"""A process of an environment: started in a group of its own, heard through pipes, ended as a group."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from rapid.environments.pipe import Pipe
from rapid.environments.proc import descendants
from rapid.environments.reaper import Exit, Reaper

OOM_SCORE = "900"
"""When the container runs out of memory, the kernel is to end the function, not rapid."""


class LaunchError(Exception):
    """The command could not be started; the text is the reason, as AWS words it."""


class OutputSink(Protocol):
    """Where the output of a process goes."""

    def output(self, data: bytes) -> bool:
        """Take bytes it has written to its standard streams; False asks for a pause until `on_drained` is called."""

    def framed(self, data: bytes) -> bool:
        """Take bytes it has written to its framed log; False asks for a pause as well."""

    def end(self) -> None:
        """Nothing more will come."""

    def on_drained(self, callback: Callable[[], None]) -> None:
        """Call `callback` once when there is room again."""


@dataclass(frozen=True, slots=True)
class Command:
    """What to start: words, working directory, environment.

    Attributes:
        words: the command.
        cwd: its working directory.
        environ: its environment.
        framed_log: give it a second pipe for framed logs, named by `_LAMBDA_TELEMETRY_LOG_FD`.
    """

    words: Sequence[str]
    cwd: str
    environ: Mapping[str, str]
    framed_log: bool = False


class ChildProcess:
    """One started process: a runtime, or an external extension.

    Attributes:
        pid: its number.

    stdout and stderr are one pipe, so that their lines keep their order. A reader that cannot follow holds the function
    up, as a full pipe would, but never the server.

    Raises:
        LaunchError: the command could not be started.
    """

    def __init__(self, command: Command, sink: OutputSink, reaper: Reaper, on_exit: Callable[[Exit], None]) -> None:
        self._sink = sink
        self._on_exit = on_exit
        # Until a new process executes its command it counts as ours: its peak says something only above our own.
        self._floor_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self._pipes: list[Pipe] = []
        try:
            self.pid = self._start(command)
        except OSError as error:
            self._close_pipes()
            raise LaunchError(f"fork/exec {command.words[0]}: {(error.strerror or str(error)).lower()}") from error
        self._running = True  # once its exit is collected, its number may be another's
        reaper.watch(self.pid, self._exited)
        with contextlib.suppress(OSError), open(f"/proc/{self.pid}/oom_score_adj", "w") as file:
            file.write(OOM_SCORE)
        for pipe in self._pipes:
            pipe.listen()

    def _start(self, command: Command) -> int:
        environ, framed = dict(command.environ), []
        try:
            output = self._pipe(self._sink.output)
            if command.framed_log:
                framed = [self._pipe(self._sink.framed)]
                environ["_LAMBDA_TELEMETRY_LOG_FD"] = str(framed[0])
            child = subprocess.Popen(
                command.words,
                cwd=command.cwd,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=framed,
                process_group=0,
                restore_signals=True,
            )
        finally:
            for pipe in self._pipes:
                os.close(pipe.theirs)
        child.returncode = 0  # the reaper waits for it; `subprocess` must neither wait nor warn
        return child.pid

    def _pipe(self, take: Callable[[bytes], bool]) -> int:
        """A pipe whose other end is the process'."""
        self._pipes.append(Pipe(take, self._sink.on_drained))
        return self._pipes[-1].theirs

    def terminate(self) -> None:
        """Ask the process, with its group, to end."""
        if self._running:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End the process at once, with its group and all that descends from it."""
        if not self._running:
            return
        below = descendants(self.pid)
        self._kill_group()
        for pid in (self.pid, *below):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def drain(self) -> None:
        """Take in all that has been written by now: what a function wrote before it answered comes before END."""
        for pipe in self._pipes:
            pipe.drain()

    def _close_pipes(self) -> None:
        for pipe in self._pipes:
            pipe.close()
        self._pipes.clear()

    def _exited(self, exit_: Exit) -> None:
        self._running = False
        self._kill_group()  # whatever it left behind there
        self._on_exit(exit_ if exit_.peak_kib > self._floor_kib else Exit(exit_.status, 0))

    def close(self) -> None:
        """Take in the last output of a process that has left, and give the pipes back."""
        self.drain()
        self._close_pipes()
        self._sink.end()
