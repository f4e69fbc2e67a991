"""Makes the environments of a server that runs: listener, commands, memory account, log."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from rapid.cli import RuntimeCommand
from rapid.composition import Identity, compose_environment
from rapid.core.effects import RUNTIME_PARTY, Party
from rapid.core.initialisation import InitializationType
from rapid.environments.cgroup import AccountFactory
from rapid.environments.external import external_extensions
from rapid.environments.launcher import ProcessLauncher
from rapid.environments.member import Opened
from rapid.environments.orphans import Orphans
from rapid.environments.parties import Launcher
from rapid.environments.process import Command
from rapid.environments.reaper import Reaper
from rapid.environments.scratch import Scratch, Scratches, undivided
from rapid.environs import extension_environ, own_credentials, runtime_environ
from rapid.reading import Address
from rapid.server import RUNTIME_KEEP_ALIVE, Listener, bound, listen
from rapid.settings import Settings
from rapid.snapshots.backend import SnapshotBackend
from rapid.snapshots.launcher import ForkLauncher
from rapid.telemetry.console import Console, Output
from rapid.telemetry.line_output import LineOutput
from rapid.telemetry.observer import Observer

ANY_PORT = Address("127.0.0.1", 0, "an environment's Runtime API")


@dataclass(frozen=True, slots=True)
class Host:
    """What all environments of a server share.

    Attributes:
        settings: what is asked for.
        command: how the runtime is started.
        environ: rapid's own environment variables.
        reaper: tells of exits.
        orphans: whose they are.
        accounts: opens memory accounts.
        console: where logs go.
        several: there may be more than one environment.
        observer: counts what happens.
        scratches: makes what an environment has for /tmp.
    """

    settings: Settings
    command: RuntimeCommand
    environ: Mapping[str, str]
    reaper: Reaper
    orphans: Orphans
    accounts: AccountFactory
    console: Console
    several: bool
    observer: Observer
    scratches: Scratches = undivided


class ListeningEnvironments:
    """The `EnvironmentFactory` of real processes and sockets.

    Args:
        host: what they share.
        first: the socket of the first one's Runtime API.
        own_ports: where the server listens; each environment adds its own.
    """

    def __init__(self, host: Host, first: socket.socket, own_ports: set[int], backend: SnapshotBackend) -> None:
        self._backend = backend
        self._host = host
        self._first: socket.socket | None = first
        self._own_ports = own_ports
        self._orphans = host.orphans
        settings = host.settings
        self._external: Mapping[str, Sequence[str]] = {}
        if settings.extensions:
            self._external = external_extensions(settings.extensions_dir, settings.shipped_extensions)

    async def open(self, number: int, *, provisioned: bool, on_change: Callable[[], None]) -> Opened:
        """See `EnvironmentFactory.open`."""
        scratch = self._host.scratches(number)
        try:
            return await self._open(number, scratch, on_change, provisioned=provisioned)
        except BaseException:
            scratch.remove()
            raise

    async def _open(self, number: int, scratch: Scratch, on_change: Callable[[], None], *, provisioned: bool) -> Opened:
        """Its Runtime API listens before anything is started: clients do not survive a refused connection."""
        host = self._host
        sock, self._first = self._first or listen(ANY_PORT), None
        address, port = bound(sock), sock.getsockname()[1]
        kind = host.settings.initialization_type
        if provisioned and kind is InitializationType.ON_DEMAND:
            kind = InitializationType.PROVISIONED
        credentials = own_credentials(host.environ) if host.settings.snapshots.snap_start else None
        identity = Identity(number, host.settings.log_stream_of(number), kind, credentials)
        commands = self._commands(identity, address, scratch)
        launcher: Launcher = ProcessLauncher(commands, host.reaper, lambda: self._orphans.end(address))
        runtime = commands[RUNTIME_PARTY]
        with contextlib.ExitStack() as undo:
            undo.callback(sock.close)
            prepared = await self._backend.prepare(runtime.environ, runtime.cwd, framed_log=runtime.framed_log)
            if prepared:
                undo.callback(prepared.discard)
                launcher, identity = ForkLauncher(prepared, launcher), replace(identity, restored=True)
            environment, api = compose_environment(
                host.settings,
                identity,
                list(self._external),
                launcher,
                host.accounts(
                    f"environment-{number}", host.settings.memory_mb * 1024, lambda: self._orphans.of(address)
                ),
                output_of(host, str(number)),
                on_change,
                self._own_ports,
                host.observer,
            )
            self._own_ports.add(port)
            undo.callback(self._own_ports.discard, port)
            self._orphans.expect(address)
            undo.callback(self._orphans.forget, address)
            listener = Listener(api, sock, RUNTIME_KEEP_ALIVE)
            await listener.start()
            kept = undo.pop_all()

        async def close() -> None:
            await listener.stop()
            kept.close()
            await asyncio.to_thread(scratch.remove)

        if not prepared:
            return Opened(environment, close)
        prepared.on_lost = on_change
        return Opened(environment, close, restored=True, lost=lambda: prepared.lost)

    def _commands(self, identity: Identity, api: str, scratch: Scratch) -> Mapping[Party, Command]:
        """What to start for the runtime, and for each external extension."""
        host = self._host
        runtime = {**runtime_environ(host.settings, host.command, host.environ, api, identity), **scratch.environ}
        extension = extension_environ(runtime)
        # Frames keep messages of several lines whole for subscribers; without any, one pipe keeps all lines in order.
        # Several workers have no frames on AWS either, but a socket that keeps their lines apart.
        words, cwd, workers = host.command.words, host.command.cwd, host.settings.max_concurrency is not None
        framed = bool(self._external) and not workers
        commands = {
            RUNTIME_PARTY: Command(words, cwd, runtime, framed_log=framed, log_socket=workers, enter=scratch.enter)
        }
        for name, words in self._external.items():
            told = {"RAPID_EXTENSION_NAME": name} if name in host.settings.shipped_extensions else {}
            commands[Party(name)] = Command(words, cwd, extension | told, enter=scratch.enter)
        return commands


def output_of(host: Host, name: str) -> Output:
    """An environment's side of the console.

    Args:
        host: whose console it is.
        name: what lines are tagged with, if they are.
    """
    if not host.several:
        return host.console
    wanted = sys.stdout.isatty() if host.settings.log_tags is None else host.settings.log_tags
    return LineOutput(host.console, f"[{name}] " if wanted and host.settings.log_format != "JSON" else "")
