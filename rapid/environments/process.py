"""The runtime process: started in a group of its own, heard through one pipe, ended as a group."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from rapid.environments.memory import MemoryMeter
from rapid.environments.proc import descendants
from rapid.environments.reaper import Exit, Reaper

CHUNK = 65536
OOM_SCORE = "900"
"""When the container runs out of memory, the kernel is to end the function, not rapid."""


class LaunchError(Exception):
    """The command could not be started; the text is the reason, as AWS words it."""


class OutputSink(Protocol):
    """Where the output of a runtime goes."""

    def output(self, data: bytes) -> bool:
        """Take bytes the function has written; False asks for a pause until `on_drained` is called."""

    def on_drained(self, callback: Callable[[], None]) -> None:
        """Call `callback` once when there is room again."""


@dataclass(frozen=True, slots=True)
class Command:
    """What to start: words, working directory, environment."""

    words: Sequence[str]
    cwd: str
    environ: Mapping[str, str]


class RuntimeProcess:
    """One started runtime.

    stdout and stderr are one pipe, so that their lines keep their order. A reader that cannot follow holds the function
    up, as a full pipe would, but never the server.

    Raises:
        LaunchError: the command could not be started.
    """

    def __init__(self, command: Command, sink: OutputSink, reaper: Reaper, on_exit: Callable[[int], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._sink = sink
        self._on_exit = on_exit
        self._reaper = reaper
        # Until a new process executes its command it counts as ours: its peak says something only above our own.
        self._floor_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            self._output, theirs = os.pipe2(os.O_CLOEXEC)
        except OSError as error:
            raise LaunchError(f"pipe: {(error.strerror or str(error)).lower()}") from error
        try:
            child = subprocess.Popen(
                command.words,
                cwd=command.cwd,
                env=dict(command.environ),
                stdin=subprocess.DEVNULL,
                stdout=theirs,
                stderr=theirs,
                process_group=0,
                restore_signals=True,
            )
        except OSError as error:
            os.close(self._output)
            raise LaunchError(f"fork/exec {command.words[0]}: {(error.strerror or str(error)).lower()}") from error
        finally:
            os.close(theirs)
        self.pid = child.pid
        self._running = True  # once its exit is collected, its number may be another's
        reaper.watch(self.pid, self._exited)
        child.returncode = 0  # the reaper waits for it; `subprocess` must neither wait nor warn
        with contextlib.suppress(OSError), open(f"/proc/{self.pid}/oom_score_adj", "w") as file:
            file.write(OOM_SCORE)
        self.memory = MemoryMeter(self.pid)
        os.set_blocking(self._output, False)
        self._loop.add_reader(self._output, self._readable)

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
        while self._output >= 0 and self._read():
            pass

    def _readable(self) -> None:
        self._read()

    def _read(self) -> bool:
        """One piece; False when there is nothing more for now."""
        try:
            data = os.read(self._output, CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self._close_output()
            return False
        if not self._sink.output(data):
            self._loop.remove_reader(self._output)
            self._sink.on_drained(self._resume)
            return False
        return len(data) == CHUNK

    def _resume(self) -> None:
        if self._output >= 0:
            self._loop.add_reader(self._output, self._readable)

    def _close_output(self) -> None:
        if self._output >= 0:
            self._loop.remove_reader(self._output)
            os.close(self._output)
            self._output = -1

    def _exited(self, exit_: Exit) -> None:
        self._running = False
        self._kill_group()  # whatever it left behind there
        self._reaper.end_orphans()
        if exit_.peak_kib > self._floor_kib:
            self.memory.note(exit_.peak_kib)
        self.memory.close()
        self._on_exit(exit_.status)

    def close(self) -> None:
        """Take in the last output of a process that has left, and give the pipe back."""
        self.drain()
        self._close_output()
