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

from rapid.api.credentials import Credentials
from rapid.cli import RuntimeCommand
from rapid.composition import compose
from rapid.core.effects import RUNTIME_PARTY, Party
from rapid.draining import Stopping, drain
from rapid.environments.cgroup import account_factory
from rapid.environments.external import DISABLED, external_extensions
from rapid.environments.launcher import ProcessLauncher
from rapid.environments.process import Command
from rapid.environments.reaper import Reaper
from rapid.environs import extension_environ, own_credentials, runtime_environ
from rapid.frontends.metrics import PATH as METRICS_PATH
from rapid.server import INVOKE_KEEP_ALIVE, RUNTIME_KEEP_ALIVE, Listener, bound, check_loopback, listen
from rapid.settings import Settings
from rapid.telemetry.console import Console
from rapid.watching import watching_by

log = logging.getLogger("rapid")


def run(settings: Settings, command: RuntimeCommand, environ: Mapping[str, str]) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        SettingError: an address cannot be listened on.
    """
    check_loopback(settings.runtime_address)
    runtime_socket = listen(settings.runtime_address)
    invoke_socket = listen(settings.invoke_address)
    metrics_socket = listen(settings.metrics.address) if settings.metrics.address else None
    if DISABLED.exists():
        settings = replace(settings, extensions=False)
    credentials = own_credentials(environ) if settings.snapshots.snap_start else None
    commands = _commands(settings, command, environ, bound(runtime_socket), credentials)
    signal.pthread_sigmask(signal.SIG_BLOCK, Stopping.SIGNALS)  # until there is a loop to take them
    uvloop.run(_serve(settings, commands, runtime_socket, invoke_socket, metrics_socket, credentials))


def _commands(
    settings: Settings,
    command: RuntimeCommand,
    environ: Mapping[str, str],
    api: str,
    credentials: Credentials | None,
) -> Mapping[Party, Command]:
    """What to start for the runtime, and for each external extension."""
    external: Mapping[str, Sequence[str]] = {}
    if settings.extensions:
        external = external_extensions(settings.extensions_dir, settings.shipped_extensions)
    runtime = runtime_environ(settings, command, environ, api, credentials)
    extension = extension_environ(runtime)
    # Frames keep messages of several lines whole for subscribers; without any, one pipe keeps all lines in their order.
    # Several workers have no frames on AWS either, but a socket that keeps their lines apart.
    workers = settings.max_concurrency is not None
    framed = bool(external) and not workers
    commands = {RUNTIME_PARTY: Command(command.words, command.cwd, runtime, framed_log=framed, log_socket=workers)}
    for name, words in external.items():
        told = {"RAPID_EXTENSION_NAME": name} if name in settings.shipped_extensions else {}
        commands[Party(name)] = Command(words, command.cwd, extension | told)
    return commands


async def _serve(
    settings: Settings,
    commands: Mapping[Party, Command],
    runtime_socket: socket.socket,
    invoke_socket: socket.socket,
    metrics_socket: socket.socket | None,
    credentials: Credentials | None,
) -> None:
    loop = asyncio.get_running_loop()
    stopping = Stopping()
    stopping.listen(loop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, Stopping.SIGNALS)
    reaper = Reaper()
    reaper.install(loop)
    console = Console(sys.stdout.fileno())
    external = [party.extension for party in commands if party.extension is not None]
    memory = account_factory(reaper.orphans)("environment-1", settings.memory_mb * 1024)
    own_ports = [sock.getsockname()[1] for sock in (runtime_socket, invoke_socket, metrics_socket) if sock]
    launcher, watching = ProcessLauncher(commands, reaper), watching_by(settings, console)
    leaving = stopping.begun.is_set
    server = compose(settings, external, launcher, memory, console, own_ports, watching, leaving, credentials)
    api = Listener(server.api, runtime_socket, RUNTIME_KEEP_ALIVE)
    front_end = Listener(server.front_end, invoke_socket, INVOKE_KEEP_ALIVE)
    listeners = [front_end, api]
    if watching.application and metrics_socket:
        listeners.append(Listener(watching.application, metrics_socket, INVOKE_KEEP_ALIVE))
        await listeners[-1].start()
        log.info("metrics at http://%s%s", bound(metrics_socket), METRICS_PATH)

    await api.start()  # clients do not survive a refused connection: listen first, spawn after
    server.environment.start()
    await front_end.start()
    log.info("invoke at http://%s, Runtime API at %s", bound(invoke_socket), bound(runtime_socket))
    await stopping.begun.wait()
    grace, limit = settings.draining.grace, settings.draining.timeout
    await drain(server.scheduler, stopping, grace=grace, timeout=limit, part=front_end.part)
    await server.environment.stop()
    await asyncio.gather(*(listener.stop() for listener in listeners))
    watching.close()
    reaper.remove()
    console.flush()
