"""Processes in whose place the player speaks: each says that it has been started, and leaves when it is told to."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from pathlib import Path

from tests.conformance.player import until

SCRIPT = """#!/bin/sh
echo "{party}:$$" >> "{folder}/started"
read -r status < "{pipe}"
case $status in
    -*) kill "$status" $$ ;;
    *) exit "$status" ;;
esac
"""


class Processes:
    """Scripts for the runtime and for external extensions, in `folder`; what is `broken` cannot be executed.

    Attributes:
        extensions: the folder with the extensions' executables.
        runtime: the runtime's command.
    """

    def __init__(self, folder: Path, extensions: tuple[str, ...], broken: tuple[str, ...]) -> None:
        self._folder = folder
        self.extensions = folder / "extensions"
        self.extensions.mkdir()
        self.runtime = (str(self._write("runtime", folder / "runtime")),)
        for name in (*extensions, *broken):
            self._write(f"extension {name}", self.extensions / name)
        for name in broken:
            (self.extensions / name).chmod(0o644)

    def _write(self, party: str, path: Path) -> Path:
        pipe = self._pipe(party)
        os.mkfifo(pipe)
        path.write_text(SCRIPT.format(party=party, folder=self._folder, pipe=pipe))
        path.chmod(0o755)
        return path

    def _pipe(self, party: str) -> Path:
        return self._folder / f"{party}.exit"

    def _pids(self, party: str = "") -> list[int]:
        log = self._folder / "started"
        lines = log.read_text().splitlines() if log.exists() else []
        return [int(line.rpartition(":")[2]) for line in lines if line.startswith(party)]

    def started(self, party: str) -> int:
        """How many times it has been started."""
        return len(self._pids(f"{party}:"))

    def alive(self, party: str, start: int) -> bool:
        """Whether the one of that start, from 1, still runs."""
        return self._is_ours(self._pids(f"{party}:")[start - 1])

    async def exit(self, party: str, status: int) -> None:
        """Have it leave with an exit code, or of a signal when `status` is below zero."""

        def told() -> bool:
            try:
                pipe = os.open(self._pipe(party), os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                if error.errno == errno.ENXIO:  # it has not come as far as to read
                    return False
                raise
            with os.fdopen(pipe, "w") as writer:
                writer.write(f"{status}\n")
            return True

        await until(told, f"{party} to listen")

    def kill(self) -> None:
        """End those that are left, and those that are about to begin."""
        for pipe in self._folder.glob("*.exit"):
            writer = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
            pipe.unlink()  # who has not come as far as to read finds nothing, and leaves
            os.close(writer)  # who waits reads the end of it
        for pid in self._pids():
            if self._is_ours(pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _is_ours(self, pid: int) -> bool:
        """Whether it is there, and not another process that has been given the number since."""
        try:
            return str(self._folder).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False
