"""A rolling replacement under load: the new pod is ready, the old one is deleted, and no caller notices."""

from __future__ import annotations

import json
import re

import pytest

from tests.support.callers import Load
from tests.support.container import Engine
from tests.support.kubelet import Endpoints, Kubelet
from tests.support.program import call, until

pytestmark = pytest.mark.container

LAG = 1.0
"""Seconds for which callers are sent to a pod that has been deleted."""

CALLERS = 8
HARDENED = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")
HARDENED_AS_OTHER = (*HARDENED, "--user", "1234:1234")
ENVIRONMENTS = {"RAPID_MAX_ENVIRONMENTS": "4", "AWS_LAMBDA_FUNCTION_TIMEOUT": "20"}
SERVED = 50


def events(number: int) -> bytes:
    """Mostly short ones; a few take long enough to be under way when the signal comes."""
    return json.dumps({"do": "sleep", "seconds": 1} if number % 40 == 0 else {"say": number}).encode()


def replaced(kubelet: Kubelet, endpoints: Endpoints, *, per_connection: bool, rounds: int = 2) -> Load:
    """Pods that are replaced one after the other while callers call: what the callers have seen."""
    old = kubelet.start()
    with Load(endpoints.pick, events, per_connection=per_connection).running(CALLERS) as load:
        for _ in range(rounds):
            until(lambda pod=old: load.from_(pod.address) >= SERVED, f"answers from {old.address}")  # type: ignore[misc]
            new = kubelet.start()
            kubelet.delete(old)
            assert old.exit_code == 0, old.container.logs()
            old = new
        until(lambda: load.from_(old.address) >= SERVED, f"answers from {old.address}")
    return load


def test_no_request_is_lost_behind_a_service(engine: Engine, function: str) -> None:
    endpoints = Endpoints(LAG)
    kubelet = Kubelet(engine, function, endpoints, flags=HARDENED, env=ENVIRONMENTS)
    with kubelet.running():
        load = replaced(kubelet, endpoints, per_connection=True)
    assert load.failures == []
    assert len(load.answers) == 3


def test_no_request_is_lost_behind_a_balancer_of_requests(engine: Engine, function: str) -> None:
    endpoints = Endpoints(LAG)
    kubelet = Kubelet(engine, function, endpoints, flags=HARDENED_AS_OTHER, env=ENVIRONMENTS)
    with kubelet.running():
        load = replaced(kubelet, endpoints, per_connection=False)
    assert load.failures == []


def test_no_request_is_lost_behind_queue_proxy(engine: Engine, function: str) -> None:
    endpoints = Endpoints(LAG)
    env = {**ENVIRONMENTS, "RAPID_DRAIN_GRACE": "0", "K_SERVICE": "function"}
    kubelet = Kubelet(engine, function, endpoints, concurrency=4, flags=HARDENED, env=env)
    with kubelet.running():
        load = replaced(kubelet, endpoints, per_connection=False)
    assert load.failures == []
    assert len(load.answers) == 3


def test_without_a_grace_time_callers_would_notice(engine: Engine, function: str) -> None:
    endpoints = Endpoints(LAG)
    kubelet = Kubelet(engine, function, endpoints, env={**ENVIRONMENTS, "RAPID_DRAIN_GRACE": "0"})
    with kubelet.running():
        load = replaced(kubelet, endpoints, per_connection=False, rounds=1)
    assert load.failures


def test_a_pod_that_is_deleted_while_it_initialises_leaves_at_once(engine: Engine, function: str) -> None:
    env = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "RAPID_DRAIN_GRACE": "0.5"}
    with engine.running(function, ready=False, **env) as container:
        container.said("invoke at")
        assert container.stop()[0] == 0


def test_in_kubernetes_there_is_a_grace_time_unless_one_is_given(engine: Engine, function: str) -> None:
    with engine.running(function, KUBERNETES_SERVICE_HOST="10.0.0.1") as container:
        until(lambda: call(container.address, "GET", "/readyz").status == 200, "it to be ready")
        engine.run("kill", "--signal", "TERM", container.name)
        until(lambda: call(container.address, "GET", "/readyz").status == 503, "the signal to be taken")
        reply = container.invoke({"say": "late"})
        assert (reply.status, reply.headers["connection"]) == (200, "close")
        engine.run("kill", "--signal", "TERM", container.name)
        until(lambda: not container.state["Running"], "it to leave")
        assert container.state["ExitCode"] == 0


def test_metrics_are_read_from_a_port_of_their_own(engine: Engine, function: str) -> None:
    with engine.running(
        function, flags=("--publish", "127.0.0.1::9100", *HARDENED), RAPID_METRICS=":9100"
    ) as container:
        assert container.invoke({"say": "counted"}).status == 200
        address = engine.run("port", container.name, "9100/tcp").stdout.split()[0]
        body = call(address, "GET", "/metrics").body.decode()
        assert re.search(r"^rapid_invocations_total 1.0$", body, re.MULTILINE)
