"""Makes the environments of a server that runs: listener, commands, memory account, log."""

from __future__ import annotations

import socket
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from rapid.cli import RuntimeCommand
from rapid.composition import Identity, compose_environment
from rapid.core.effects import RUNTIME_PARTY, Party
from rapid.core.initialisation import InitializationType
from rapid.core.phase import Phase
from rapid.environments.cgroup import AccountFactory
from rapid.environments.environment import Environment
from rapid.environments.external import external_extensions
from rapid.environments.launcher import ProcessLauncher
from rapid.environments.orphans import Orphans
from rapid.environments.pool import Opened
from rapid.environments.process import Command
from rapid.environments.reaper import Reaper
from rapid.environs import extension_environ, own_credentials, runtime_environ
from rapid.reading import Address
from rapid.server import RUNTIME_KEEP_ALIVE, Listener, bound, listen
from rapid.settings import Settings
from rapid.snapshots.forked import PreparedFork
from rapid.snapshots.hosts import TemplateEnvironment
from rapid.snapshots.launcher import ForkLauncher
from rapid.snapshots.opening import BACKENDS, Means
from rapid.telemetry.console import Console, Output
from rapid.telemetry.observer import Observer
from rapid.telemetry.tags import Tagged

ANY_PORT = Address("127.0.0.1", 0, "an environment's Runtime API")


TEMPLATE_SOCKET = "RAPID_TEMPLATE_SOCKET"


@dataclass(frozen=True, slots=True)
class Host:
    """What all environments of a server share.

    Attributes:
        settings: what is asked for.
        command: how the runtime is started.
        environ: rapid's own environment variables.
        reaper: tells of exits.
        accounts: opens memory accounts.
        console: where logs go.
        several: there may be more than one environment.
        observer: counts what happens.
    """

    settings: Settings
    command: RuntimeCommand
    environ: Mapping[str, str]
    reaper: Reaper
    accounts: AccountFactory
    console: Console
    several: bool
    observer: Observer


class ListeningEnvironments:
    """The `EnvironmentFactory` of real processes and sockets.

    Args:
        host: what they share.
        first: the socket of the first one's Runtime API.
        own_ports: where the server listens; each environment adds its own.
    """

    def __init__(self, host: Host, first: socket.socket, own_ports: set[int]) -> None:
        self._host = host
        self._first: socket.socket | None = first
        self._own_ports = own_ports
        self._orphans = Orphans(host.reaper)
        settings = host.settings
        self._external: Mapping[str, Sequence[str]] = {}
        if settings.extensions:
            self._external = external_extensions(settings.extensions_dir, settings.shipped_extensions)

        means = Means(self, host.reaper, host.environ.get("LAMBDA_TASK_ROOT") or host.command.cwd)
        self.backend = BACKENDS[settings.snapshots.backend](means)

    async def open(self, number: int, *, provisioned: bool, on_change: Callable[[], None]) -> Opened:
        """See `EnvironmentFactory.open`."""
        kind = InitializationType.PROVISIONED if provisioned else self._host.settings.initialization_type
        sock, self._first = self._first or listen(ANY_PORT), None
        identity = self._identity(number, kind)
        commands = self._commands(identity, bound(sock))
        runtime = commands[RUNTIME_PARTY]
        prepared = await self.backend.prepare(runtime.environ, runtime.cwd, framed_log=runtime.framed_log)
        environment, close = await self._listening(identity, sock, commands, prepared, on_change)
        return Opened(environment, close, restored=prepared is not None)

    async def open_template(self, path: str, on_change: Callable[[], None]) -> TemplateEnvironment:
        """See `rapid.snapshots.hosts.EnvironmentFactory.open_template`."""
        sock = listen(ANY_PORT)
        identity = self._identity(0, InitializationType.SNAP_START)
        runtime = self._commands(identity, bound(sock))[RUNTIME_PARTY]
        runtime = replace(runtime, environ={**runtime.environ, TEMPLATE_SOCKET: path}, framed_log=False)
        environment, close = await self._listening(identity, sock, {RUNTIME_PARTY: runtime}, None, on_change)
        return _Template(environment, close, runtime.environ, runtime.cwd)

    def _identity(self, number: int, kind: InitializationType) -> Identity:
        settings = self._host.settings
        credentials = own_credentials(self._host.environ) if settings.snapshots.snap_start else None
        return Identity(number, settings.log_stream_of(number), kind, credentials)

    async def _listening(
        self,
        identity: Identity,
        sock: socket.socket,
        commands: Mapping[Party, Command],
        prepared: PreparedFork | None,
        on_change: Callable[[], None],
    ) -> tuple[Environment, Callable[[], Awaitable[None]]]:
        """An environment whose Runtime API listens before anything is started, for clients do not survive a refused
        connection; and what closes it.
        """
        host, address, port = self._host, bound(sock), sock.getsockname()[1]
        ordinary = ProcessLauncher(commands, host.reaper, lambda: self._orphans.end(address))
        name = f"environment-{identity.number}" if identity.number else "template"
        environment, api = compose_environment(
            host.settings,
            identity,
            [party.extension for party in commands if party.extension is not None],
            ForkLauncher(prepared, ordinary) if prepared else ordinary,
            host.accounts(name, host.settings.memory_mb * 1024, lambda: self._orphans.of(address)),
            self._output(identity.number),
            on_change,
            self._own_ports,
            host.observer,
            restored=prepared is not None,
        )
        self._own_ports.add(port)
        listener = Listener(api, sock, RUNTIME_KEEP_ALIVE)
        await listener.start()

        async def close() -> None:
            if prepared:
                prepared.discard()
            await listener.stop()
            self._own_ports.discard(port)
            self._orphans.forget(address)

        return environment, close

    def _commands(self, identity: Identity, api: str) -> Mapping[Party, Command]:
        """What to start for the runtime, and for each external extension."""
        host = self._host
        runtime = runtime_environ(host.settings, host.command, host.environ, api, identity)
        extension = extension_environ(runtime)
        # Frames keep messages of several lines whole for subscribers; without any, one pipe keeps all lines in order.
        # Several workers have no frames on AWS either, but a socket that keeps their lines apart.
        words, cwd, workers = host.command.words, host.command.cwd, host.settings.max_concurrency is not None
        framed = bool(self._external) and not workers
        commands = {RUNTIME_PARTY: Command(words, cwd, runtime, framed_log=framed, log_socket=workers)}
        for name, words in self._external.items():
            told = {"RAPID_EXTENSION_NAME": name} if name in host.settings.shipped_extensions else {}
            commands[Party(name)] = Command(words, cwd, extension | told)
        return commands

    def _output(self, number: int) -> Output:
        """The console, with tags where they are wanted; a template's are those of no environment."""
        settings = self._host.settings
        wanted = self._host.several and sys.stdout.isatty() if settings.log_tags is None else settings.log_tags
        if not wanted or settings.log_format == "JSON":
            return self._host.console
        return Tagged(self._host.console, f"[{number}] ")


class _Template:
    """The environment of a template, with its listener."""

    def __init__(
        self, environment: Environment, close: Callable[[], Awaitable[None]], environ: Mapping[str, str], cwd: str
    ) -> None:
        self.environ = environ
        self.cwd = cwd
        self._environment = environment
        self._close = close

    @property
    def phase(self) -> Phase:
        """See `TemplateEnvironment.phase`."""
        return self._environment.phase

    def start(self) -> None:
        """See `TemplateEnvironment.start`."""
        self._environment.start()

    async def stop(self) -> None:
        """See `TemplateEnvironment.stop`."""
        await self._environment.stop()
        await self._close()
