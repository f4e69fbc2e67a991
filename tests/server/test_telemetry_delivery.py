"""How telemetry reaches real subscribers: destinations, subscriptions, listeners that do not take it, many lines."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.server.extended import Task
from tests.support.program import AWSLAMBDARIC

INVOKED = ["platform.start", "platform.runtimeDone", "platform.report"]


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return Task(tmp_path)


def tells(server: str, subscribe: str, events: str = "") -> str:
    """An extension with a listener, that subscribes."""
    return f"server = {server}\nextension = Extension({events})\n{subscribe}\nextension.work()\n"


def kinds(events: list[Any]) -> list[str]:
    return [event["type"] for event in events]


@pytest.mark.parametrize("host", ["sandbox", "sandbox.localdomain", "0.0.0.0", "", "localhost"])
def test_every_host_is_loopback_and_the_path_is_kept(task: Task, host: str) -> None:
    path = "/some/path?and=query"
    task.extension("a", tells("listen()", f"extension.subscribe(http_at(server, {path!r}, {host!r}), 'platform')"))
    with task.served() as program:
        assert program.invoke({}).status == 200
        task.told("a", "platform.report")
    assert task.notes("a", "subscribed")[0]["body"] == "OK"
    assert {(it["method"], it["path"]) for it in task.notes("a", "batch")} == {("POST", path)}


def test_a_tcp_destination_gets_lines(task: Task) -> None:
    to = "extension.subscribe({'protocol': 'TCP', 'port': server}, 'platform', 'function')"
    task.extension("a", tells("listen_for_lines()", to))
    with task.served() as program:
        program.invoke({"say": "a line"})
        task.told("a", "platform.report")
    assert kinds(task.telemetry("a"))[-4:] == [INVOKED[0], "function", *INVOKED[1:]]


def test_the_logs_api(task: Task) -> None:
    to = "{**http_at(server), 'method': 'PUT', 'encoding': 'JSON'}"
    task.extension(
        "a", tells("listen()", f"extension.subscribe({to}, 'platform', 'function', api='logs')", "'SHUTDOWN'")
    )
    with task.served() as program:
        first = program.invoke({"say": "a line"})
        second = program.invoke({"exit": 1})
        task.told("a", "platform.report", 2)
    assert {it["method"] for it in task.notes("a", "batch")} == {"PUT"}
    events = task.telemetry("a")
    start = kinds(events).index("platform.start")
    one = ["platform.start", "function", "platform.end", "platform.report"]
    assert kinds(events)[start : start + 4] == one
    assert events[start + 2]["record"]["requestId"] == first.json["id"]
    (fault,) = [event["record"] for event in events if event["type"] == "platform.fault"]
    reason = "Error: Runtime exited with error: exit status"
    assert fault.startswith(f"RequestId: {second.headers['x-amzn-requestid']} {reason}")
    assert fault.endswith("\nRuntime.ExitError\n")


def test_a_second_subscription_takes_the_place_of_the_first(task: Task) -> None:
    again = """
other = listen(who="other")
extension.subscribe(http_at(server), "platform")
extension.subscribe(http_at(server), "platform")
extension.subscribe(http_at(other), "platform", "function")
"""
    task.extension("a", tells("listen()", again))
    with task.served() as program:
        program.invoke({"say": "a line"})
        task.told("other", "platform.report")
        program.said("^TELEMETRY\tName: a\tState: Subscribed\tTypes: \\[Platform\\]$")
        program.said("^TELEMETRY\tName: a\tState: Already subscribed\tTypes: \\[Platform\\]$")
        program.said("^TELEMETRY\tName: a\tState: Subscribed\tTypes: \\[Platform, Function\\]$")
    records = [it["record"] for it in task.telemetry("other") if it["type"] == "platform.telemetrySubscription"]
    told = [(record["state"], record["types"]) for record in records]
    assert told == [
        ("Subscribed", ["platform"]),
        ("Already subscribed", ["platform"]),
        ("Subscribed", ["platform", "function"]),
    ]
    assert kinds(task.telemetry("other"))[0] == "platform.initStart"
    assert "platform.start" not in kinds(task.telemetry("a"))


def test_subscriptions_are_closed_after_init(task: Task) -> None:
    one = "extension.subscribe(http_at(server), 'platform'{0})\n"
    late = "extension.next()\n" + one.format("") + one.format(", api='logs'")
    task.extension("a", tells("listen()", late, "'INVOKE'"))
    with task.served() as program:
        assert program.invoke({}).status == 200
        refused = [it["body"]["errorType"] for it in task.noted("a", "subscribed", 2)]
        assert {it["status"] for it in task.notes("a", "subscribed")} == {403}
        assert program.invoke({}).status == 200
    assert refused == ["Telemetry.SubscriptionClosed", "Logs.SubscriptionClosed"]


# Listeners that do not take it


@pytest.mark.parametrize("status", [400, 500])
def test_what_a_listener_refuses_is_counted_in_the_next_batch(task: Task, status: int) -> None:
    server = f"listen(lambda: 200 if os.path.exists('ok') else {status})"
    task.extension("a", tells(server, "extension.subscribe(http_at(server), 'function')"))
    with task.served() as program:
        program.invoke({"say": "lost"})
        task.noted("a", "refused batch", 1 if status == 400 else 6)
        (task.folder / "ok").touch()
        program.invoke({"say": "found"})
        (dropped,) = task.told("a", "platform.logsDropped")
        task.told("a", "function")
    assert [event["record"] for event in task.telemetry("a") if event["type"] == "function"] == ["found"]
    assert dropped["droppedRecords"] == 1
    assert dropped["droppedBytes"] > len("lost")
    (warned,) = [line for line in program.errors if "telemetry events dropped" in line]
    assert f"status {status}" in warned


@pytest.mark.parametrize("server", ["listen(lambda: 0)", "listen(lambda: 500)", None], ids=["silent", "500", "nobody"])
def test_a_listener_that_takes_nothing_slows_nothing(task: Task, server: str | None) -> None:
    to = "http_at(server)" if server else "{'protocol': 'HTTP', 'URI': 'http://sandbox:9'}"
    subscribe = f"extension.subscribe({to}, 'platform', 'function')"
    task.extension("a", tells(server or "None", subscribe, "'INVOKE', 'SHUTDOWN'"))
    with task.served() as program:
        assert program.invoke({"say": "x" * 10_000}).status == 200
        began = time.monotonic()
        for _ in range(50):
            assert program.invoke({"say": "x" * 10_000}).status == 200
        assert time.monotonic() - began < 4  # a batch that is waited for takes 3.1 s at least
        began = time.monotonic()
        assert program.stop() == 0
        assert time.monotonic() - began < 3
    assert task.reasons("a") == ["spindown"]


# Many lines


@pytest.mark.parametrize("command", [("app.handler",), (*AWSLAMBDARIC, "app.handler")], ids=["ours", "awslambdaric"])
def test_of_ten_thousand_lines_none_is_lost(task: Task, command: tuple[str, ...]) -> None:
    task.extension("a", tells("listen()", "extension.subscribe(http_at(server), 'platform', 'function')"))
    with task.served(*command) as program:
        reply = program.invoke({"say": "\n".join(f"line {number}" for number in range(10_000))})
        assert reply.status == 200
        task.told("a", "platform.report")
    events = task.telemetry("a")
    lines = [event["record"] for event in events if event["type"] == "function"]
    assert lines == [f"line {number}" for number in range(10_000)]
    assert kinds(events)[-2:] == INVOKED[1:]
    assert "platform.logsDropped" not in kinds(events)


def test_of_a_thousand_invocations_none_is_lost(task: Task) -> None:
    task.extension("a", tells("listen()", "extension.subscribe(http_at(server), 'platform')"))
    with task.served() as program:
        ids = [program.invoke({}).json["id"] for _ in range(1000)]
        task.told("a", "platform.report", 1000)
    for kind in INVOKED:
        assert [e["record"]["requestId"] for e in task.telemetry("a") if e["type"] == kind] == ids
