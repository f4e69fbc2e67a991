"""Runs a server, and takes it down again."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace

import uvloop

from rapid.cli import RuntimeCommand
from rapid.composition import Server, compose
from rapid.core.effects import RUNTIME_PARTY, Party
from rapid.environments.cgroup import account_factory
from rapid.environments.external import DISABLED, external_extensions
from rapid.environments.launcher import ProcessLauncher
from rapid.environments.process import Command
from rapid.environments.reaper import Reaper
from rapid.environs import extension_environ, runtime_environ
from rapid.server import INVOKE_KEEP_ALIVE, RUNTIME_KEEP_ALIVE, Listener, bound, check_loopback, listen
from rapid.settings import Settings
from rapid.telemetry.console import Console

DRAIN = 5.0
"""Seconds that accepted invocations may still take after SIGTERM, within the 10 s that container engines grant."""

log = logging.getLogger("rapid")


def run(settings: Settings, command: RuntimeCommand, environ: Mapping[str, str]) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        SettingError: an address cannot be listened on.
    """
    check_loopback(settings.runtime_address)
    runtime_socket = listen(settings.runtime_address)
    invoke_socket = listen(settings.invoke_address)
    if DISABLED.exists():
        settings = replace(settings, extensions=False)
    commands = _commands(settings, command, environ, bound(runtime_socket))
    signal.pthread_sigmask(signal.SIG_BLOCK, Stopping.SIGNALS)  # until there is a loop to take them
    uvloop.run(_serve(settings, commands, runtime_socket, invoke_socket))


def _commands(
    settings: Settings, command: RuntimeCommand, environ: Mapping[str, str], api: str
) -> Mapping[Party, Command]:
    """What to start for the runtime, and for each external extension."""
    external: Mapping[str, Sequence[str]] = {}
    if settings.extensions:
        external = external_extensions(settings.extensions_dir, settings.shipped_extensions)
    runtime = runtime_environ(settings, command, environ, api)
    extension = extension_environ(runtime)
    # Frames keep messages of several lines whole for subscribers; without any, one pipe keeps all lines in their order.
    commands = {RUNTIME_PARTY: Command(command.words, command.cwd, runtime, framed_log=bool(external))}
    for name, words in external.items():
        told = {"RAPID_EXTENSION_NAME": name} if name in settings.shipped_extensions else {}
        commands[Party(name)] = Command(words, command.cwd, extension | told)
    return commands


async def _serve(
    settings: Settings, commands: Mapping[Party, Command], runtime_socket: socket.socket, invoke_socket: socket.socket
) -> None:
    loop = asyncio.get_running_loop()
    stopping = Stopping(loop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, Stopping.SIGNALS)
    reaper = Reaper()
    reaper.install(loop)
    console = Console(sys.stdout.fileno())
    external = [party.extension for party in commands if party.extension is not None]
    memory = account_factory(reaper.orphans)("environment-1", settings.memory_mb * 1024)
    own_ports = [sock.getsockname()[1] for sock in (runtime_socket, invoke_socket)]
    server = compose(settings, external, ProcessLauncher(commands, reaper), memory, console, own_ports)
    api = Listener(server.api, runtime_socket, RUNTIME_KEEP_ALIVE)
    front_end = Listener(server.front_end, invoke_socket, INVOKE_KEEP_ALIVE)

    await api.start()  # clients do not survive a refused connection: listen first, spawn after
    server.environment.start()
    await front_end.start()
    log.info("invoke at http://%s, Runtime API at %s", bound(invoke_socket), bound(runtime_socket))
    await stopping.begun.wait()
    await _take_down(server, [front_end, api], stopping)
    reaper.remove()
    console.flush()


class Stopping:
    """What the signals have asked for: the first begins the shutdown, a second hurries it."""

    SIGNALS = (signal.SIGTERM, signal.SIGINT)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.begun = asyncio.Event()
        self.hurried = asyncio.Event()
        for number in self.SIGNALS:
            loop.add_signal_handler(number, self._record)

    def _record(self) -> None:
        (self.hurried if self.begun.is_set() else self.begun).set()


async def _take_down(server: Server, listeners: list[Listener], stopping: Stopping) -> None:
    """Finish what was accepted, end the processes, answer who still waits, close."""
    drained = asyncio.ensure_future(server.scheduler.drain(DRAIN))
    hurried = asyncio.ensure_future(stopping.hurried.wait())
    await asyncio.wait({drained, hurried}, return_when=asyncio.FIRST_COMPLETED)
    hurried.cancel()
    drained.cancel()
    server.scheduler.give_up()
    await server.environment.stop()
    await asyncio.gather(*(listener.stop() for listener in listeners))
