"""An extension written with the library, as a process of its own beside a server that the test plays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.extensions.api import IDENTIFIER, Api, event, program, serving, started

WATCHER = """
import asyncio, json
from extensions import Buffering, Extension

def show(**what):
    print(json.dumps(what), flush=True)

async def main():
    async with Extension.register() as extension:
        there = await extension.subscribe(
            ["platform", "function"], lambda batch: show(batch=batch), buffering=Buffering(timeout_ms=25)
        )
        show(telemetry=there)
        async for event in extension.events():
            show(event=event.type, id=event.request_id, reason=event.shutdown_reason)
        show(end=True)

asyncio.run(main())
"""

FAILING = """
import asyncio
from extensions import Extension

def fail(batch):
    raise OSError("no space")

async def main():
    async with Extension.register("failing") as extension:
        await extension.subscribe(["function"], fail)
        try:
            async for event in extension.events():
                print(event.type)
        except OSError as error:
            print("ended by", error)
            await extension.exit_error("Extension.Full", str(error))

asyncio.run(main())
"""

FLUSHING = """
import asyncio
from extensions import Extension

async def main():
    async with Extension.register("flushing") as extension:
        await extension.subscribe(["platform"], lambda batch: print("batch", flush=True))
        async for event in extension.events():
            print(event.type, await extension.runtime_done(event), flush=True)

asyncio.run(main())
"""

DONE = event("platform.runtimeDone", {"requestId": "r-1", "status": "success"})


def told(printed: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed.splitlines()]


def test_it_registers_subscribes_and_is_told_of_everything_in_order(tmp_path: Path) -> None:
    line = event("function", "hello")
    with serving() as api, started(program(WATCHER, tmp_path), api, tmp_path) as watcher:
        (registered,) = api.called("/extension/register")
        assert registered[0]["Lambda-Extension-Name"] == "watcher"
        assert registered[1] == {"events": ["INVOKE", "SHUTDOWN"]}
        (subscribed,) = api.called("/2022-07-01/telemetry")
        assert subscribed[0]["Lambda-Extension-Identifier"] == IDENTIFIER
        wanted = subscribed[1]
        assert wanted["destination"]["URI"].startswith("http://sandbox.localdomain:")
        assert wanted == {
            "destination": {"protocol": "HTTP", "URI": wanted["destination"]["URI"]},
            "schemaVersion": "2025-01-29",
            "types": ["platform", "function"],
            "buffering": {"maxItems": 10_000, "maxBytes": 262_144, "timeoutMs": 25},
        }
        api.called("/event/next")
        assert api.send(line).status == 200
        api.invoke("r-1")
        api.called("/event/next", 2)
        api.shutdown()
        assert api.send(DONE).status == 200
        code, printed = watcher.end()
    assert code == 0
    shown = told(printed)
    assert {"batch": [DONE]} in shown  # before or after the event, but before the end
    shown.remove({"batch": [DONE]})
    assert shown == [
        {"telemetry": True},
        {"batch": [line]},
        {"event": "INVOKE", "id": "r-1", "reason": None},
        {"event": "SHUTDOWN", "id": None, "reason": "spindown"},
        {"end": True},
    ]


def test_telemetry_that_comes_after_shutdown_is_still_taken_in(tmp_path: Path) -> None:
    text = WATCHER.replace("timeout_ms=25", "timeout_ms=30_000")  # it would wait for more until the deadline
    report = event("platform.report", {"requestId": "r-1"})
    with serving() as api, started(program(text, tmp_path), api, tmp_path) as watcher:
        api.called("/event/next")
        api.shutdown(seconds=3)
        watcher.printed('"reason": "spindown"')
        assert api.send(report).status == 200
        code, printed = watcher.end()
    assert (code, told(printed)[-2:]) == (0, [{"batch": [report]}, {"end": True}])


def test_sigterm_ends_it_as_a_shutdown_does(tmp_path: Path) -> None:
    with serving() as api, started(program(WATCHER, tmp_path), api, tmp_path) as watcher:
        api.called("/event/next")
        watcher.signal()
        code, printed = watcher.end()
    assert code == 0
    assert told(printed)[1:] == [{"event": "SHUTDOWN", "id": None, "reason": "SIGTERM"}, {"end": True}]


@pytest.mark.parametrize("status", [202, 404])
def test_a_server_without_telemetry_is_no_error(tmp_path: Path, status: int) -> None:
    with serving(status) as api, started(program(WATCHER, tmp_path), api, tmp_path) as watcher:
        api.called("/event/next")
        api.shutdown()
        code, printed = watcher.end()
    assert (code, told(printed)[0]) == (0, {"telemetry": False})


def test_a_refused_subscription_is_an_error(tmp_path: Path) -> None:
    with serving(400) as api, started(program(WATCHER, tmp_path), api, tmp_path) as watcher:
        code, printed = watcher.end()
    assert code == 1
    assert "ExtensionsApiError: PUT /2022-07-01/telemetry: 400" in printed


def test_a_batch_that_it_cannot_take_ends_its_events(tmp_path: Path) -> None:
    with serving() as api, started(program(FAILING, tmp_path), api, tmp_path) as failing:
        api.called("/event/next")
        assert api.send(DONE).status == 500
        assert failing.end() == (0, "ended by no space\n")
        ((headers, body),) = api.called("/exit/error")
    assert headers["Lambda-Extension-Function-Error-Type"] == "Extension.Full"
    assert body == {"errorMessage": "no space", "errorType": "Extension.Full", "stackTrace": []}


def flushed(api: Api, tmp_path: Path, seconds: float, *batches: dict[str, Any], sigterm: bool = False) -> str:
    """What the flushing extension prints, given one invocation and some batches."""
    with started(program(FLUSHING, tmp_path), api, tmp_path) as flushing:
        api.called("/event/next")
        api.invoke("r-1", seconds)
        for batch in batches:
            api.send(batch)
        if sigterm:
            flushing.signal()
        else:
            api.called("/event/next", 2)
            api.shutdown()
        return flushing.end()[1]


def test_it_learns_that_the_runtime_is_done(tmp_path: Path) -> None:
    with serving() as api:
        printed = flushed(api, tmp_path, 20, {**DONE, "record": {"requestId": "another"}}, DONE)
    assert printed == "batch\nbatch\nINVOKE True\nSHUTDOWN False\n"


def test_it_waits_for_the_runtime_until_the_deadline_only(tmp_path: Path) -> None:
    with serving() as api:
        assert flushed(api, tmp_path, 0.1) == "INVOKE False\nSHUTDOWN False\n"


def test_it_waits_for_the_runtime_until_sigterm_only(tmp_path: Path) -> None:
    with serving() as api:
        printed = flushed(api, tmp_path, 1000, sigterm=True)
    assert printed.endswith("SHUTDOWN False\n")  # with the INVOKE before it, or without


def test_without_telemetry_it_does_not_wait_for_the_runtime(tmp_path: Path) -> None:
    with serving(202) as api:
        assert flushed(api, tmp_path, 1000) == "INVOKE False\nSHUTDOWN False\n"
