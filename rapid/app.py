"""Runs a server, and takes it down again."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import uvloop

from rapid.cli import RuntimeCommand
from rapid.composition import compose
from rapid.draining import Stopping, drain
from rapid.environments.cgroup import account_factory
from rapid.environments.external import DISABLED
from rapid.environments.orphans import Orphans
from rapid.environments.reaper import Reaper
from rapid.environments.scratch import Scratches, in_tmp, scratches
from rapid.factory import Host, ListeningEnvironments
from rapid.frontends.metrics import PATH as METRICS_PATH
from rapid.resources import environments_allowed
from rapid.server import INVOKE_KEEP_ALIVE, Listener, bound, check_loopback, listen
from rapid.settings import Settings
from rapid.snapshots.backend import SnapshotBackend
from rapid.snapshots.opening import BACKENDS, Means
from rapid.snapshotting import place
from rapid.telemetry.error_hints import About
from rapid.telemetry.terminal import open_console
from rapid.templates import Templates
from rapid.watching import Watching, watching_by

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
    signal.pthread_sigmask(signal.SIG_BLOCK, Stopping.SIGNALS)  # until there is a loop to take them
    uvloop.run(_serve(settings, command, environ, Sockets(runtime_socket, invoke_socket, metrics_socket)))


@dataclass(frozen=True, slots=True)
class Sockets:
    """What is listened on from the start."""

    runtime: socket.socket
    invoke: socket.socket
    metrics: socket.socket | None

    @property
    def ports(self) -> set[int]:
        """The ports that are not the first environment's."""
        return {sock.getsockname()[1] for sock in (self.invoke, self.metrics) if sock}


async def _serve(settings: Settings, command: RuntimeCommand, environ: Mapping[str, str], sockets: Sockets) -> None:
    loop = asyncio.get_running_loop()
    stopping = Stopping()
    stopping.listen(loop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, Stopping.SIGNALS)
    reaper = Reaper()
    reaper.install(loop)
    console = open_console(_about(settings, command, environ), environ)
    most = settings.scaling.max_environments or environments_allowed(settings.memory_mb)
    most = max(most, settings.scaling.provisioned)
    watching = watching_by(settings, console)
    orphans, folders = Orphans(reaper), _scratches(settings, command, environ, several=most > 1)
    accounts, observer = account_factory(), watching.observer
    host = Host(settings, command, environ, reaper, orphans, accounts, console, most > 1, observer, folders)
    ports = sockets.ports
    backend = _backend(host, ports)
    factory = ListeningEnvironments(host, sockets.runtime, ports, backend)
    server = compose(settings, factory, most, watching, stopping.begun.is_set)
    front_end = Listener(server.front_end, sockets.invoke, INVOKE_KEEP_ALIVE)
    listeners = [front_end, *await _beside(watching, sockets)]

    runtime_api = bound(sockets.runtime)
    backend.begin()
    server.pool.begin()
    await front_end.start()
    log.info("invoke at http://%s, Runtime API at %s", bound(sockets.invoke), runtime_api)
    await stopping.begun.wait()
    grace, limit = settings.draining.grace, settings.draining.timeout
    await drain(server.scheduler, stopping, grace=grace, timeout=limit, part=front_end.part)
    # At the same time: an environment may be waiting for the first template's init, which is then broken off.
    await asyncio.gather(server.pool.stop(), backend.stop())
    await asyncio.gather(*(listener.stop() for listener in listeners))
    watching.close()
    reaper.remove()
    console.flush()


def _backend(host: Host, ports: set[int]) -> SnapshotBackend:
    """What environments come out of."""
    settings = host.settings
    templates = Templates(host, ports)
    where = place(settings, host.command, templates.environ("127.0.0.1:0"))
    return BACKENDS[settings.snapshots.backend](Means(templates, host.reaper, where, settings.snapshots.folder))


async def _beside(watching: Watching, sockets: Sockets) -> list[Listener]:
    """The listener of metrics, if they have one of their own; it serves already."""
    if not (watching.application and sockets.metrics):
        return []
    listener = Listener(watching.application, sockets.metrics, INVOKE_KEEP_ALIVE)
    await listener.start()
    log.info("metrics at http://%s%s", bound(sockets.metrics), METRICS_PATH)
    return [listener]


def _scratches(settings: Settings, command: RuntimeCommand, environ: Mapping[str, str], *, several: bool) -> Scratches:
    # A fork stays where its template is; workers write to a socket in the /tmp that rapid sees.
    exec_only = settings.snapshots.backend == "none" and settings.max_concurrency is None
    words = [*command.words, settings.extensions_dir, settings.handler or ""]
    told = in_tmp(words, command.cwd, {**environ, **command.environ})
    return scratches(several=several, exec_only=exec_only, told=told)


def _about(settings: Settings, command: RuntimeCommand, environ: Mapping[str, str]) -> About | None:
    """What error pages say of the function; None if none are to be shown."""
    if not settings.error_page:
        return None
    python_path = tuple(filter(None, environ.get("PYTHONPATH", "").split(":")))
    task_root = environ.get("LAMBDA_TASK_ROOT", "")
    task_root = task_root if task_root and Path(task_root).is_dir() else command.cwd
    return About(settings.handler, task_root, python_path, settings.timeout, settings.memory_mb)
