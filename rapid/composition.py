"""Puts the parts of a server together."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from rapid.api.credentials import Credentials, CredentialsApi
from rapid.api.environment import EnvironmentApi
from rapid.api.extensions import FunctionFacts
from rapid.api.restore import RestoreApi
from rapid.asgi import Face
from rapid.core.concurrent import ConcurrentLifecycle
from rapid.core.environment import EnvironmentLifecycle
from rapid.core.lifecycle import Lifecycle
from rapid.environments.environment import Environment
from rapid.environments.memory import MemoryAccount
from rapid.environments.parties import Launcher
from rapid.environments.scheduler import Scheduler
from rapid.frontends.invoke import InvokeFrontEnd
from rapid.frontends.probes import Probes
from rapid.readiness import Ready
from rapid.settings import Settings
from rapid.telemetry.console import Console
from rapid.telemetry.facts import Facts, runtime_facts
from rapid.telemetry.json_lines import JsonFormatter
from rapid.telemetry.lines import Formatter, TextFormatter
from rapid.telemetry.log import EnvironmentLog
from rapid.telemetry.publisher import Publisher
from rapid.watching import Watching


@dataclass(frozen=True, slots=True)
class Server:
    """The parts that the outside deals with.

    Attributes:
        scheduler: accepts invocations.
        environment: runs them.
        api: ASGI application of the environment's own listener.
        front_end: ASGI application of the callers' listener.
    """

    scheduler: Scheduler
    environment: Environment
    api: EnvironmentApi
    front_end: InvokeFrontEnd


def compose(
    settings: Settings,
    external: Sequence[str],
    launcher: Launcher,
    memory: MemoryAccount,
    console: Console,
    own_ports: Collection[int] = (),
    watching: Watching | None = None,
    leaving: Callable[[], bool] = lambda: False,
    credentials: Credentials | None = None,
) -> Server:
    """One environment, the scheduler in front of it, and their HTTP faces; nothing is started.

    Args:
        settings: what is asked for.
        external: names of the external extensions.
        launcher: starts processes.
        memory: counts their memory.
        console: where logs go.
        own_ports: where the server listens.
        watching: who counts what happens; nobody unless given.
        leaving: whether the server is on its way out.
        credentials: what the environment may ask for under SnapStart.
    """
    watching = watching or Watching()
    facts = _facts(settings)
    observer = watching.observer
    publisher = Publisher(facts, on_lost=observer.dropped)
    level, on_record = settings.application_log_level, observer.records_of(facts)
    sink = EnvironmentLog(console, _formatter(settings, facts), publisher, level, on_record)
    scheduler = Scheduler(observer)
    watching.watch(scheduler)
    environment = Environment(_lifecycle(settings, external), launcher, memory, sink, scheduler.changed)
    scheduler.attach(environment)
    function = settings.function
    told = FunctionFacts(function.name, function.version, settings.handler, function.account)
    more = _snap_start_faces(environment, credentials) if settings.snapshots.snap_start else []
    api = EnvironmentApi(environment, told if settings.extensions else None, own_ports, more)
    probes = settings.probes
    ready = Ready(scheduler, leaving, ready_at_capacity=probes.ready_at_capacity)
    beside = [*watching.faces, *Probes(ready, probes.health_path, probes.ready_path).faces()]
    return Server(scheduler, environment, api, InvokeFrontEnd(scheduler, function, beside, observer))


def _lifecycle(settings: Settings, external: Sequence[str]) -> EnvironmentLifecycle:
    if settings.max_concurrency:
        return ConcurrentLifecycle(settings.max_concurrency, settings.timeout, external)
    return Lifecycle(settings.timeout, external, settings.initialization_type)


def _snap_start_faces(environment: Environment, credentials: Credentials | None) -> list[Face]:
    """What is served under SnapStart alone."""
    restore = RestoreApi(environment.snapshot_point).faces() if environment.snapshot_point else []
    return [*restore, *CredentialsApi(credentials).faces()]


def _facts(settings: Settings) -> Facts:
    version, arn = runtime_facts(settings.function.region)
    return Facts(
        function_name=settings.function.name,
        function_version=settings.function.version,
        function_arn=settings.function.arn(),
        instance_id=settings.log_stream,
        memory_mb=settings.memory_mb,
        initialization_type=settings.initialization_type.value,
        runtime_version=version,
        runtime_version_arn=arn,
    )


def _formatter(settings: Settings, facts: Facts) -> Formatter:
    return JsonFormatter(facts, settings.system_log_level) if settings.log_format == "JSON" else TextFormatter(facts)
