"""Servers over TCP: the real `rapid`, and AWS's emulator."""

from __future__ import annotations

import functools
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conformance import wire
from tests.conformance.player import Request
from tests.conformance.processes import Processes
from tests.support import emulator
from tests.support.program import ANY_PORT, PATIENCE, Reply, environ, free_port, running, until

ANSWERED_AT_ONCE = {"invoke": Request("GET", "/healthz", []), "api": Request("GET", "/2018-06-01/ping", [])}
"""By the time that this is answered, what was sent before has been taken in."""


class Server:
    """A process that listens at two addresses."""

    def __init__(
        self, name: str, addresses: Mapping[str, str], processes: Processes, process: subprocess.Popen[Any]
    ) -> None:
        self.name = name
        self._process = process
        self._addresses = addresses
        self._processes = processes
        self.started = processes.started
        self.alive = processes.alive
        self.exit = processes.exit

    async def send(self, listener: str, request: Request) -> Reply | None:
        """Send to `invoke` or `api`."""
        return await wire.send(self._addresses[listener], request)

    async def stop(self) -> None:
        """Have it begin to go down."""
        self._process.terminate()

    async def settle(self, listener: str) -> None:
        """Let it take in what was sent before."""
        await self.send(listener, ANSWERED_AT_ONCE[listener])


@contextmanager
def rapid(
    folder: Path, env: Mapping[str, str], extensions: tuple[str, ...], broken: tuple[str, ...]
) -> Iterator[Server]:
    """The real `rapid`; what it did wrong by its own account fails the test."""
    processes = Processes(folder, extensions, broken)
    env = {"AWS_LAMBDA_FUNCTION_TIMEOUT": "30", "RAPID_EXTENSIONS_DIR": str(processes.extensions), **env}
    with running(processes.runtime, folder, ANY_PORT, **env) as program:
        try:
            yield Server(
                "tcp", {"invoke": program.invoke_address, "api": program.runtime_address}, processes, program.process
            )
        finally:
            until(functools.partial(_ended, program.process, processes), "rapid to end")
        assert "Traceback" not in "".join(program.errors), "".join(program.errors)


def _ended(process: subprocess.Popen[str], processes: Processes) -> bool:
    """End it in a hurry: it need not finish what nobody plays any more."""
    if process.poll() is None:
        process.terminate()
    processes.kill()
    return process.poll() is not None


@functools.cache
def private_opt() -> bool:
    """Whether a process can be given an /opt of its own: root may, and nothing of ours may be in the common one."""
    ours = (emulator.binary(), Path(tempfile.gettempdir()))
    if os.geteuid() or not shutil.which("unshare") or any(path.is_relative_to("/opt") for path in ours):
        return False
    words = ["unshare", "--mount", "mount", "--bind", "/opt", "/opt"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


PRIVATE_OPT = 'mount --bind "$0" /opt && exec "$@"'
"""The emulator looks for extensions in /opt/extensions, and nowhere else."""


@contextmanager
def rie(folder: Path, env: Mapping[str, str], extensions: tuple[str, ...], broken: tuple[str, ...]) -> Iterator[Server]:
    """AWS's emulator; external extensions need `private_opt`."""
    processes = Processes(folder, extensions, broken)
    addresses = {"invoke": f"127.0.0.1:{free_port()}", "api": f"127.0.0.1:{free_port()}"}
    flags = ["--runtime-interface-emulator-address", addresses["invoke"], "--runtime-api-address", addresses["api"]]
    words = [str(emulator.binary()), *flags, *processes.runtime]
    if extensions or broken:
        words = ["unshare", "--mount", "sh", "-c", PRIVATE_OPT, str(folder), *words]
    with subprocess.Popen(
        words,
        cwd=folder,
        env=environ(**env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            for address in addresses.values():
                until(functools.partial(_listens, address), "the emulator to listen")
            yield Server("emulator", addresses, processes, process)
        finally:
            process.kill()  # its own shutdown would wait for its processes
            process.wait(PATIENCE)
            processes.kill()


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0
