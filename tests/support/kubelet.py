"""A stand-in for the kubelet and for a Service's endpoints: what a container sees of Kubernetes in its life.

A pod gets traffic once its readiness probe succeeds. When it is deleted, two things begin at the same time, and neither
waits for the other: its address is taken out of the endpoints, which every node learns a little later; and its preStop
hook is run, then it gets SIGTERM, and SIGKILL when its grace period is over.

Source: Kubernetes documentation, "Pod Lifecycle", termination of pods.
"""

from __future__ import annotations

import http.client
import itertools
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType

from tests.support.container import Container, Engine
from tests.support.program import call, until
from tests.support.queue_proxy import PROBE, WAIT_FOR_DRAIN, QueueProxy

GRACE_PERIOD = 45.0


class Endpoints:
    """The addresses of a Service as its callers know them; what is taken away they learn `lag` seconds later."""

    def __init__(self, lag: float) -> None:
        self.lag = lag
        self._addresses: list[str] = []
        self._turn = itertools.count()
        self._timers: list[threading.Timer] = []

    def add(self, address: str) -> None:
        self._addresses = [*self._addresses, address]

    def remove(self, address: str) -> None:
        timer = threading.Timer(self.lag, self._forget, [address])
        self._timers.append(timer)
        timer.start()

    def _forget(self, address: str) -> None:
        self._addresses = [each for each in self._addresses if each != address]

    def pick(self) -> str:
        """The next one's turn."""
        addresses = self._addresses
        return addresses[next(self._turn) % len(addresses)]

    def close(self) -> None:
        for timer in self._timers:
            timer.join()


@dataclass
class Pod:
    """A container, and the queue-proxy before it, if there is one."""

    container: Container
    proxy: QueueProxy | None
    exit_code: int | None = field(default=None)

    @property
    def address(self) -> str:
        """Where callers call."""
        return self.proxy.address if self.proxy else self.container.address

    def ready(self) -> bool:
        """The readiness probe."""
        try:
            if self.proxy:
                return call(self.proxy.address, "GET", "/", headers={PROBE: "queue"}).status == 200
            return call(self.container.address, "GET", "/readyz").status == 200
        except (OSError, http.client.HTTPException):
            assert self.container.state["Running"], self.container.logs()
            return False


class Kubelet:
    """Starts and deletes pods of one image.

    Args:
        engine: runs containers.
        image: what to run.
        endpoints: are kept up to date.
        concurrency: with queue-proxy, `containerConcurrency`; None for pods without one.
        flags: further words for the engine.
        env: variables of the container.
    """

    def __init__(
        self,
        engine: Engine,
        image: str,
        endpoints: Endpoints,
        *,
        concurrency: int | None = None,
        flags: Sequence[str] = (),
        env: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._engine = engine
        self._image = image
        self._endpoints = endpoints
        self._concurrency = concurrency
        self._flags = flags
        # In every pod; rapid knows Kubernetes by it.
        self._env = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", **env}
        self._stack = ExitStack()

    def start(self) -> Pod:
        """A new pod, from its creation to where it is ready and gets traffic."""
        running = self._engine.running(self._image, flags=self._flags, ready=False, **self._env)
        container = self._stack.enter_context(running)
        proxy = None
        if self._concurrency:
            proxy = QueueProxy(container.address, concurrency=self._concurrency)
            self._stack.enter_context(proxy.running())
        pod = Pod(container, proxy)
        until(pod.ready, f"{container.name} to be ready")
        self._endpoints.add(pod.address)
        return pod

    def delete(self, pod: Pod) -> None:
        """From the deletion to the exit of the container."""
        self._endpoints.remove(pod.address)
        if pod.proxy:  # the preStop hook that Knative gives the container
            call(pod.proxy.admin, "GET", WAIT_FOR_DRAIN)
        self._engine.run("kill", "--signal", "TERM", pod.container.name)
        try:
            until(lambda: not pod.container.state["Running"], "the container to leave", GRACE_PERIOD)
        finally:
            self._engine.run("kill", "--signal", "KILL", pod.container.name, check=False)
        pod.exit_code = int(pod.container.state["ExitCode"])

    @contextmanager
    def running(self) -> Iterator[Kubelet]:
        """Until the end of the block, when all pods are gone."""
        with self._stack:
            try:
                yield self
            finally:
                self._endpoints.close()
