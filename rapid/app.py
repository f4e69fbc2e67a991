"""Composition: puts the parts together, runs them, and takes them down again."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Callable, Mapping

import uvloop

from rapid.api.runtime import RuntimeApi
from rapid.cli import RuntimeCommand
from rapid.core.lifecycle import Lifecycle
from rapid.environments.environment import Environment
from rapid.environments.process import Command, RuntimeProcess
from rapid.environments.reaper import Reaper
from rapid.environments.scheduler import Scheduler
from rapid.frontends.invoke import InvokeFrontEnd
from rapid.server import INVOKE_KEEP_ALIVE, RUNTIME_KEEP_ALIVE, Listener, bound, check_loopback, listen
from rapid.settings import Settings
from rapid.telemetry.console import Console
from rapid.telemetry.log import EnvironmentLog

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
    function_environ = runtime_environ(settings, command, environ, bound(runtime_socket))
    started = Command(command.words, command.cwd, function_environ)
    signal.pthread_sigmask(signal.SIG_BLOCK, Stopping.SIGNALS)  # until there is a loop to take them
    uvloop.run(_serve(settings, started, runtime_socket, invoke_socket))


async def _serve(
    settings: Settings, command: Command, runtime_socket: socket.socket, invoke_socket: socket.socket
) -> None:
    loop = asyncio.get_running_loop()
    stopping = Stopping(loop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, Stopping.SIGNALS)
    reaper = Reaper()
    reaper.install(loop)
    console = Console(sys.stdout.fileno())
    scheduler, environment = _compose(settings, command, reaper, console)
    api = Listener(RuntimeApi(environment), runtime_socket, RUNTIME_KEEP_ALIVE)
    front_end = Listener(InvokeFrontEnd(scheduler, settings.function), invoke_socket, INVOKE_KEEP_ALIVE)

    await api.start()  # clients do not survive a refused connection: listen first, spawn after
    environment.start()
    await front_end.start()
    log.info("invoke at http://%s, Runtime API at %s", bound(invoke_socket), bound(runtime_socket))
    await stopping.begun.wait()
    await _take_down(scheduler, environment, [front_end, api], stopping)
    reaper.remove()
    console.flush()


def _compose(settings: Settings, command: Command, reaper: Reaper, console: Console) -> tuple[Scheduler, Environment]:
    """One environment, and the scheduler in front of it."""
    sink = EnvironmentLog(console, settings.function.version, settings.memory_mb)

    def launch(on_exit: Callable[[int], None]) -> RuntimeProcess:
        log.info("exec '%s' (cwd=%s, handler=%s)", command.words[0], command.cwd, settings.handler)
        return RuntimeProcess(command, sink, reaper, on_exit)

    scheduler = Scheduler()
    environment = Environment(Lifecycle(settings.timeout), launch, sink, scheduler.phase_changed)
    scheduler.attach(environment)
    return scheduler, environment


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


def runtime_environ(
    settings: Settings, command: RuntimeCommand, environ: Mapping[str, str], api: str
) -> dict[str, str]:
    """The runtime's environment: rapid's own, and what Lambda adds to it.

    Source: AWS developer guide, "Defined runtime environment variables".

    Args:
        settings: names, sizes, handler.
        command: may add variables of its own.
        environ: rapid's environment.
        api: host:port of the environment's Runtime API.
    """
    region = settings.function.region
    defaults = {
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "LAMBDA_TASK_ROOT": command.cwd,
        "TZ": ":UTC",
        "RAPID_RUNTIME_PIPELINE": "1",  # our runtime may send an answer and the next question together: we take both
    }
    told = {
        "AWS_LAMBDA_RUNTIME_API": api,
        "AWS_LAMBDA_FUNCTION_NAME": settings.function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": settings.function.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(settings.memory_mb),
        "AWS_LAMBDA_LOG_GROUP_NAME": settings.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": settings.log_stream,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    }
    if environ.get("RAPID_LIBRARY_PATH"):  # the image's: see its entry point
        defaults["LD_LIBRARY_PATH"] = environ["RAPID_LIBRARY_PATH"]
    if settings.handler:
        told["_HANDLER"] = settings.handler
    return {**defaults, **environ, **told, **command.environ}
