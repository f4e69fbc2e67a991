"""Composition: puts the parts together, runs them, and takes them down again."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Mapping, Sequence

import uvloop

from rapid.api.environment import EnvironmentApi
from rapid.api.extensions import FunctionFacts
from rapid.cli import RuntimeCommand
from rapid.core.effects import RUNTIME_PARTY, Party
from rapid.core.lifecycle import Lifecycle
from rapid.environments.cgroup import account_factory
from rapid.environments.environment import Environment
from rapid.environments.external import DISABLED, external_extensions
from rapid.environments.launcher import ProcessLauncher
from rapid.environments.process import Command
from rapid.environments.reaper import Reaper
from rapid.environments.scheduler import Scheduler
from rapid.environs import extension_environ, runtime_environ
from rapid.frontends.invoke import InvokeFrontEnd
from rapid.server import INVOKE_KEEP_ALIVE, RUNTIME_KEEP_ALIVE, Listener, bound, check_loopback, listen
from rapid.settings import Settings
from rapid.telemetry.console import Console
from rapid.telemetry.facts import Facts, runtime_facts
from rapid.telemetry.json_lines import JsonFormatter
from rapid.telemetry.lines import Formatter, TextFormatter
from rapid.telemetry.log import EnvironmentLog
from rapid.telemetry.publisher import Publisher

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
    commands = _commands(settings, command, environ, bound(runtime_socket))
    signal.pthread_sigmask(signal.SIG_BLOCK, Stopping.SIGNALS)  # until there is a loop to take them
    uvloop.run(_serve(settings, commands, runtime_socket, invoke_socket))


def _commands(
    settings: Settings, command: RuntimeCommand, environ: Mapping[str, str], api: str
) -> Mapping[Party, Command]:
    """What to start for the runtime, and for each external extension."""
    external: Mapping[str, Sequence[str]] = {}
    if settings.extensions and not DISABLED.exists():
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
    scheduler, environment = _compose(settings, commands, reaper, console)
    api = Listener(EnvironmentApi(environment, _told(settings)), runtime_socket, RUNTIME_KEEP_ALIVE)
    front_end = Listener(InvokeFrontEnd(scheduler, settings.function), invoke_socket, INVOKE_KEEP_ALIVE)

    await api.start()  # clients do not survive a refused connection: listen first, spawn after
    environment.start()
    await front_end.start()
    log.info("invoke at http://%s, Runtime API at %s", bound(invoke_socket), bound(runtime_socket))
    await stopping.begun.wait()
    await _take_down(scheduler, environment, [front_end, api], stopping)
    reaper.remove()
    console.flush()


def _compose(
    settings: Settings, commands: Mapping[Party, Command], reaper: Reaper, console: Console
) -> tuple[Scheduler, Environment]:
    """One environment, and the scheduler in front of it."""
    facts = _facts(settings)
    sink = EnvironmentLog(console, _formatter(settings, facts), Publisher(facts))
    external = [party.extension for party in commands if party.extension is not None]
    scheduler = Scheduler()
    environment = Environment(
        Lifecycle(settings.timeout, external=external),
        ProcessLauncher(commands, sink, reaper),
        account_factory()("environment-1", settings.memory_mb * 1024),
        sink,
        scheduler.phase_changed,
    )
    scheduler.attach(environment)
    return scheduler, environment


def _facts(settings: Settings) -> Facts:
    version, arn = runtime_facts(settings.function.region)
    return Facts(
        function_name=settings.function.name,
        function_version=settings.function.version,
        function_arn=settings.function.arn(),
        instance_id=settings.log_stream,
        memory_mb=settings.memory_mb,
        initialization_type="on-demand",
        runtime_version=version,
        runtime_version_arn=arn,
    )


def _formatter(settings: Settings, facts: Facts) -> Formatter:
    return JsonFormatter(facts, settings.system_log_level) if settings.log_format == "JSON" else TextFormatter(facts)


def _told(settings: Settings) -> FunctionFacts | None:
    """What extensions are told at registration; None when there are none."""
    if not settings.extensions or DISABLED.exists():
        return None
    function = settings.function
    return FunctionFacts(function.name, function.version, settings.handler, function.account)


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


async def _take_down(
    scheduler: Scheduler, environment: Environment, listeners: list[Listener], stopping: Stopping
) -> None:
    """Finish what was accepted, end the runtime, answer who still waits, close."""
    drained = asyncio.ensure_future(scheduler.drain(DRAIN))
    hurried = asyncio.ensure_future(stopping.hurried.wait())
    await asyncio.wait({drained, hurried}, return_when=asyncio.FIRST_COMPLETED)
    hurried.cancel()
    drained.cancel()
    scheduler.give_up()
    await environment.stop()
    await asyncio.gather(*(listener.stop() for listener in listeners))
