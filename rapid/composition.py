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
from rapid.core.initialisation import InitializationType
from rapid.core.lifecycle import Lifecycle
from rapid.core.placement import Limits, ScalingRate
from rapid.environments.environment import Environment
from rapid.environments.member import EnvironmentFactory
from rapid.environments.memory import MemoryAccount
from rapid.environments.parties import Launcher
from rapid.environments.pool import Pool
from rapid.environments.scheduler import Scheduler
from rapid.frontends.invoke import InvokeFrontEnd
from rapid.frontends.probes import Probes
from rapid.readiness import Ready
from rapid.settings import Settings
from rapid.telemetry.console import Output
from rapid.telemetry.facts import Facts, runtime_facts
from rapid.telemetry.json_lines import JsonFormatter
from rapid.telemetry.lines import Formatter, TextFormatter
from rapid.telemetry.log import EnvironmentLog
from rapid.telemetry.observer import Observer, Unobserved
from rapid.telemetry.publisher import Publisher
from rapid.watching import Watching


@dataclass(frozen=True, slots=True)
class Identity:
    """Which environment it is.

    Attributes:
        number: its own, from 1.
        log_stream: the CloudWatch stream that it is told.
        initialization_type: why it is initialised.
        credentials: what it may ask for under SnapStart, in place of finding them among its variables.
        restored: its runtime comes out of a template.
    """

    number: int
    log_stream: str
    initialization_type: InitializationType = InitializationType.ON_DEMAND
    credentials: Credentials | None = None
    restored: bool = False


@dataclass(frozen=True, slots=True)
class Server:
    """The parts that the outside deals with.

    Attributes:
        scheduler: accepts invocations.
        pool: the environments.
        front_end: ASGI application of the callers' listener.
    """

    scheduler: Scheduler
    pool: Pool
    front_end: InvokeFrontEnd


def compose(
    settings: Settings,
    factory: EnvironmentFactory,
    max_environments: int,
    watching: Watching | None = None,
    leaving: Callable[[], bool] = lambda: False,
) -> Server:
    """The scheduler over a pool of environments, and the front end; nothing is started.

    Args:
        settings: what is asked for.
        factory: makes environments.
        max_environments: the most at once.
        watching: who counts what happens; nobody unless given.
        leaving: whether the server is on its way out.
    """
    watching = watching or Watching()
    scaling, probes = settings.scaling, settings.probes
    limits = Limits(max_environments, scaling.queue_size, scaling.reserved, settings.max_concurrency or 1)
    scheduler = Scheduler(limits, scaling.queue_timeout, watching.observer)
    pool = Pool(factory, scaling.provisioned, ScalingRate(scaling.rate), scaling.idle_timeout, scheduler.changed)
    scheduler.attach(pool)
    watching.watch(scheduler)
    ready = Ready(scheduler, leaving, ready_at_capacity=probes.ready_at_capacity)
    beside = [*watching.faces, *Probes(ready, probes.health_path, probes.ready_path).faces()]
    return Server(scheduler, pool, InvokeFrontEnd(scheduler, settings.function, beside, watching.observer))


def _lifecycle(settings: Settings, identity: Identity, external: Sequence[str]) -> EnvironmentLifecycle:
    if settings.max_concurrency:
        return ConcurrentLifecycle(settings.max_concurrency, settings.timeout, external)
    return Lifecycle(settings.timeout, external, identity.initialization_type, restored=identity.restored)


def _snap_start_faces(environment: Environment, credentials: Credentials | None) -> list[Face]:
    """What is served under SnapStart alone."""
    restore = RestoreApi(environment.snapshot_point).faces() if environment.snapshot_point else []
    return [*restore, *CredentialsApi(credentials).faces()]


def compose_environment(
    settings: Settings,
    identity: Identity,
    external: Sequence[str],
    launcher: Launcher,
    memory: MemoryAccount,
    output: Output,
    on_change: Callable[[], None],
    own_ports: Collection[int] = (),
    observer: Observer | None = None,
) -> tuple[Environment, EnvironmentApi]:
    """One environment, and the ASGI application of its own listener; nothing is started.

    Args:
        settings: what is asked for.
        identity: which one it is.
        external: names of the external extensions.
        launcher: starts processes.
        memory: counts their memory.
        output: where logs go.
        on_change: called when its phase has changed.
        own_ports: where the server listens.
        observer: counts what happens; nobody unless given.
    """
    observer = observer or Unobserved()
    facts = _facts(settings, identity)
    publisher = Publisher(facts, on_lost=observer.dropped)
    level, on_record = settings.application_log_level, observer.records_of(facts)
    sink = EnvironmentLog(output, _formatter(settings, facts), publisher, level, on_record)
    environment = Environment(_lifecycle(settings, identity, external), launcher, memory, sink, on_change)
    function = settings.function
    told = FunctionFacts(function.name, function.version, settings.handler, function.account)
    more = _snap_start_faces(environment, identity.credentials) if settings.snapshots.snap_start else []
    return environment, EnvironmentApi(environment, told if settings.extensions else None, own_ports, more)


def _facts(settings: Settings, identity: Identity) -> Facts:
    version, arn = runtime_facts(settings.function.region)
    return Facts(
        function_name=settings.function.name,
        function_version=settings.function.version,
        function_arn=settings.function.arn(),
        instance_id=identity.log_stream,
        memory_mb=settings.memory_mb,
        initialization_type=identity.initialization_type.value,
        runtime_version=version,
        runtime_version_arn=arn,
    )


def _formatter(settings: Settings, facts: Facts) -> Formatter:
    return JsonFormatter(facts, settings.system_log_level) if settings.log_format == "JSON" else TextFormatter(facts)
