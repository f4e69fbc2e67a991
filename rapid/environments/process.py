"""A process of an environment: started in a group of its own, heard through pipes, ended as a group."""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rapid.environments.log_socket import VARIABLE, LogSocket
from rapid.environments.pipe import Pipe
from rapid.environments.proc import descendants
from rapid.environments.reaper import Exit, Reaper
from rapid.environments.sink import OutputSink

log = logging.getLogger("rapid")

OOM_SCORE = "900"
"""When the container runs out of memory, the kernel is to end the function, not rapid."""


class LaunchError(Exception):
    """The command could not be started; the text is the reason, as AWS words it."""


@dataclass(frozen=True, slots=True)
class Command:
    """What to start: words, working directory, environment.

    Attributes:
        words: the command.
        cwd: its working directory.
        environ: its environment.
        framed_log: give it a second pipe for framed logs, named by `_LAMBDA_TELEMETRY_LOG_FD`.
        log_socket: offer it a socket for the output of processes that it forks as workers.
        enter: what the new process does ahead of its command.
    """

    words: Sequence[str]
    cwd: str
    environ: Mapping[str, str]
    framed_log: bool = False
    log_socket: bool = False
    enter: Callable[[], None] | None = None


class PipedProcess:
    """What all processes of an environment have in common: pipes that are heard, and a group that is ended as one.

    A reader that cannot follow holds the function up, as a full pipe would, but never the server.

    Attributes:
        pid: its number.

    Args:
        pid: see above.
        pipes: what it writes to: its output, and its framed log, if it has one.
        sink: takes that.
        on_exit: called once when it has left.
        floor_kib: a peak of its memory says something only above this, KiB.
        log_socket: for the output of its workers, if it has been offered one.
    """

    def __init__(
        self,
        pid: int,
        pipes: Sequence[Pipe],
        sink: OutputSink,
        on_exit: Callable[[Exit], None],
        floor_kib: int = 0,
        log_socket: LogSocket | None = None,
    ) -> None:
        self.pid = pid
        self._sources: list[Pipe | LogSocket] = [*pipes, *([log_socket] if log_socket else [])]
        self._sink = sink
        self._on_exit = on_exit
        self._floor_kib = floor_kib
        self._running = True  # once its exit is collected, its number may be another's
        for pipe, take in zip(pipes, (sink.output, sink.framed), strict=False):
            pipe.listen(take, sink.on_drained)
        if log_socket:
            log_socket.listen(sink)

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
        for source in self._sources:
            source.drain()

    def exited(self, exit_: Exit) -> None:
        """It has left: the reaper says so."""
        self._running = False
        self._kill_group()  # whatever it left behind there
        self._on_exit(exit_ if exit_.peak_kib > self._floor_kib else Exit(exit_.status, 0))

    def close(self) -> None:
        """Take in the last output of a process that has left, and give the pipes back."""
        self.drain()
        for source in self._sources:
            source.close()
        self._sink.end()


class ChildProcess(PipedProcess):
    """One started process: a runtime, or an external extension.

    stdout and stderr are one pipe, so that their lines keep their order.

    Raises:
        LaunchError: the command could not be started.
    """

    def __init__(self, command: Command, sink: OutputSink, reaper: Reaper, on_exit: Callable[[Exit], None]) -> None:
        # Until a new process executes its command it counts as ours.
        floor_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            pid, pipes, log_socket = _started(command)
        except OSError as error:
            raise LaunchError(f"fork/exec {command.words[0]}: {(error.strerror or str(error)).lower()}") from error
        except subprocess.SubprocessError as error:  # of `enter`; more is not known here
            raise LaunchError(f"fork/exec {command.words[0]}: its /tmp cannot be mounted") from error
        super().__init__(pid, pipes, sink, on_exit, floor_kib, log_socket)
        reaper.watch(pid, self.exited)
        with contextlib.suppress(OSError), open(f"/proc/{pid}/oom_score_adj", "w") as file:
            file.write(OOM_SCORE)


def _started(command: Command) -> tuple[int, list[Pipe], LogSocket | None]:
    """The number of a new process, and what it writes to; raises `OSError`."""
    environ = dict(command.environ)
    pipes: list[Pipe] = []
    with contextlib.ExitStack() as undo:
        log_socket = _log_socket() if command.log_socket else None
        if log_socket:
            undo.callback(log_socket.close)
            environ[VARIABLE] = log_socket.path
        try:
            for _ in range(2 if command.framed_log else 1):
                pipes.append(Pipe())
                undo.callback(pipes[-1].close)
            output, framed = pipes[0].theirs, [pipe.theirs for pipe in pipes[1:]]
            if framed:
                environ["_LAMBDA_TELEMETRY_LOG_FD"] = str(framed[0])
            child = subprocess.Popen(
                command.words,
                cwd=command.cwd,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=framed,
                preexec_fn=command.enter,  # it takes no lock, whatever rapid's threads are doing
                process_group=0,
                restore_signals=True,
            )
        finally:
            for pipe in pipes:
                os.close(pipe.theirs)
        child.returncode = 0  # the reaper waits for it; `subprocess` must neither wait nor warn
        undo.pop_all()
    return child.pid, pipes, log_socket


def _log_socket() -> LogSocket | None:
    """A socket for workers; where it cannot be had, they write to the one pipe of all."""
    try:
        return LogSocket()
    except OSError as error:
        log.warning("no socket for the output of workers: %s", error)
        return None
