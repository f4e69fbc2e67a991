"""Settings of the server's own operation, as against the function's: scaling, snapshots, probes, draining, metrics."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rapid.reading import LONGEST, Address, Reader, SettingError, parse_address

SNAPSHOTS = ("none", "fork", "criu")
MANAGED = "lambda-managed-instances"
TO_ASK_FOR = ("on-demand", "snap-start", MANAGED)
"""Initialization types that are for the user to choose; provisioned concurrency has a setting of its own."""

QUEUE_SIZE = 1000
QUEUE_TIMEOUT = 60.0
IDLE_TIMEOUT = 600.0
DRAIN_TIMEOUT = 5.0
KUBERNETES_GRACE = 5.0
"""Seconds for which callers may still be sent here after SIGTERM: endpoints are removed while it is on its way."""

MOST_ENVIRONMENTS = 1000
KNATIVE_PORTS = (8012, 8013, 8022, 9090, 9091)
"""Ports that Knative's queue-proxy takes in the pod."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """How many environments there are, and who waits for one.

    Attributes:
        max_environments: the most at once; None for what cores and memory allow.
        queue_size: invocations that may wait.
        queue_timeout: seconds that one may wait.
        reserved: invocations that may be on at once; None without a limit, 0 for none.
        provisioned: environments that are initialised ahead and kept.
        rate: environments that may be started in ten seconds; None without a limit.
        idle_timeout: seconds of idleness before an environment is shut down.
    """

    max_environments: int | None = None
    queue_size: int = QUEUE_SIZE
    queue_timeout: float = QUEUE_TIMEOUT
    reserved: int | None = None
    provisioned: int = 0
    rate: int | None = None
    idle_timeout: float = IDLE_TIMEOUT


@dataclass(frozen=True, slots=True)
class Snapshots:
    """What environments are started from.

    Attributes:
        backend: one of `SNAPSHOTS`.
        folder: where the saved snapshot is.
        snap_start: environments are initialised up to the snapshot point, and restored from there.
    """

    backend: str = "none"
    folder: str | None = None
    snap_start: bool = False


@dataclass(frozen=True, slots=True)
class Probes:
    """What is answered beside invocations.

    Attributes:
        health_path: 200 while rapid runs.
        ready_path: 200 while invocations are welcome.
        ready_at_capacity: ready also while no environment is free.
    """

    health_path: str = "/healthz"
    ready_path: str = "/readyz"
    ready_at_capacity: bool = True


@dataclass(frozen=True, slots=True)
class Draining:
    """Seconds after SIGTERM: `grace` in which invocations are accepted, then `timeout` for those accepted."""

    grace: float = 0.0
    timeout: float = DRAIN_TIMEOUT


@dataclass(frozen=True, slots=True)
class Metrics:
    """Where Prometheus finds metrics, at most one of the two; and whether CloudWatch's are written to the log.

    Attributes:
        path: beside the Invoke API.
        address: a listener of their own.
        emf: lines of the log in CloudWatch's embedded metric format.
    """

    path: str | None = None
    address: Address | None = None
    emf: bool = False


def scaling(read: Reader) -> Scaling:
    """How many environments, and who waits, as the settings have it; raises `SettingError`."""
    found = Scaling(
        max_environments=read.whole("--max-environments", None, 1, MOST_ENVIRONMENTS),
        queue_size=read.whole("--queue-size", QUEUE_SIZE, 0, 1_000_000) or 0,
        queue_timeout=read.seconds("--queue-timeout", QUEUE_TIMEOUT, LONGEST),
        reserved=read.whole("--reserved-concurrency", None, 0, 1_000_000),
        provisioned=read.whole("--provisioned-concurrency", 0, 0, MOST_ENVIRONMENTS) or 0,
        rate=read.whole("--scaling-rate", None, 1, 1_000_000),
        idle_timeout=read.seconds("--idle-timeout", IDLE_TIMEOUT, LONGEST),
    )
    for name, limit in (
        ("--max-environments", found.max_environments),
        ("--reserved-concurrency", found.reserved),
    ):
        given = read.find("--provisioned-concurrency")
        if given and limit is not None and found.provisioned > limit:
            raise given.refuse(f"at most {name}, which is {limit}")
    return found


def snapshots(read: Reader) -> Snapshots:
    """What environments are started from, as the settings have it; raises `SettingError`."""
    backend = read.one_of("--snapshot", {name: name for name in SNAPSHOTS}, "none")
    folder = read.folder("--snapshot-dir")
    if backend == "criu" and folder is None:
        raise SettingError("--snapshot criu needs --snapshot-dir: the folder that `rapid snapshot` has written")
    kind = read.one_of("AWS_LAMBDA_INITIALIZATION_TYPE", {name: name for name in TO_ASK_FOR}, TO_ASK_FOR[0])
    snap_start = kind == "snap-start" or backend != "none"
    provisioned = read.find("--provisioned-concurrency")
    if snap_start and provisioned and provisioned.value != "0":
        raise provisioned.refuse("0 with SnapStart: AWS offers one or the other")
    concurrency = read.find("AWS_LAMBDA_MAX_CONCURRENCY")
    if snap_start and concurrency:
        raise concurrency.refuse("nothing with SnapStart: AWS offers one or the other")
    if kind == MANAGED and not concurrency:
        raise SettingError(f"AWS_LAMBDA_INITIALIZATION_TYPE {MANAGED} needs AWS_LAMBDA_MAX_CONCURRENCY")
    return Snapshots(backend, folder, snap_start)


def probes(read: Reader) -> Probes:
    """The paths of health and readiness, as the settings have it; raises `SettingError`."""
    health, ready = _path(read, "--health-path", "/healthz"), _path(read, "--ready-path", "/readyz")
    if health == ready:
        raise SettingError(f"--health-path and --ready-path are both {health!r}: expected two different paths")
    return Probes(health, ready, read.switch("--ready-at-capacity", True))


def _path(read: Reader, name: str, default: str) -> str:
    given = read.find(name)
    if not given:
        return default
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", given.value) or given.value.startswith(("/2015-", "/2021-")):
        raise given.refuse(f"a path such as {default}, and none of the Invoke API's")
    return given.value


def draining(read: Reader) -> Draining:
    """How it ends, as the settings have it; raises `SettingError`."""
    grace = KUBERNETES_GRACE if read.find("KUBERNETES_SERVICE_HOST") else 0.0
    return Draining(
        read.seconds("--drain-grace", grace, LONGEST), read.seconds("--drain-timeout", DRAIN_TIMEOUT, LONGEST)
    )


def metrics(read: Reader) -> Metrics:
    """Who is told of what happens, as the settings have it; raises `SettingError`."""
    emf = read.switch("--emf", False)
    given = read.find("--metrics")
    if not given or given.value == "off":
        return Metrics(emf=emf)
    if given.value.startswith("/"):
        path = _path(read, "--metrics", "/metrics")
        taken = probes(read)
        if path in (taken.health_path, taken.ready_path):
            raise given.refuse("another path than those of health and readiness")
        return Metrics(path=path, emf=emf)
    address = parse_address(given)
    if address.port in KNATIVE_PORTS:
        raise given.refuse(f"another port: Knative's queue-proxy takes {', '.join(map(str, KNATIVE_PORTS))}")
    return Metrics(address=address, emf=emf)
