"""A transcript that is wrong fails, and one that nobody understands is refused."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import tomllib

from tests.conformance import player
from tests.conformance.memory import memory
from tests.conformance.player import Player
from tests.conformance.transcript import FOLDER, Transcript, parse, read
from tests.conformance.words import BadTranscript

PING = "{ who = 'anyone', asks = 'GET /2018-06-01/ping', gets = %s }"
SCENES = read(FOLDER / "scenes.toml")["scenes"]


def transcript(steps: str, more: str = "") -> Transcript:
    text = f"[[transcript]]\nname = 'one'\non = ['memory']\n{more}\nsteps = [{steps}]"
    (only,) = parse("topic", tomllib.loads(text), SCENES)
    return only


def play(steps: str, more: str = "") -> None:
    async def scenario() -> None:
        one = transcript(steps, more)
        async with memory(one.env, one.extensions, one.broken) as target:
            await Player(one, target).play()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "gets",
    [
        "200",
        "{ status = 200, body = 'pong' }",
        "{ like = '^p.ng$', size = 4 }",
        "{ headers = { content-type = 'text/plain; charset=utf-8', content-length = true, server = false } }",
        "{ headers = { content-type = '~^text/' } }",
    ],
)
def test_a_right_one_passes(gets: str) -> None:
    play(PING % gets)


@pytest.mark.parametrize(
    ("gets", "told"),
    [
        ("201", "status is 200, expected 201"),
        ("{ body = 'ping' }", "expected 'ping'"),
        ("{ like = '^ong' }", "something like '^ong'"),
        ("{ size = 5 }", "4 bytes, expected 5"),
        ("{ headers = { content-type = 'text/plain' } }", "header content-type"),
        ("{ headers = { content-type = '~json' } }", "header content-type"),
        ("{ headers = { content-type = false } }", "expected none"),
        ("{ headers = { allow = true } }", "expected one"),
        ("{ json = { a = 1 } }", "expected JSON"),
        ("[403, 'Type', 'message']", "status is 200, expected 403"),
        ("'accepted'", "status is 200, expected 202"),
    ],
)
def test_a_wrong_one_fails(gets: str, told: str) -> None:
    with pytest.raises(AssertionError) as failed:
        play(PING % gets)
    assert told in str(failed.value)
    assert str(failed.value).startswith("step 1: ")


HEALTH = "{ who = 'caller', asks = 'GET /healthz', gets = %s }"


@pytest.mark.parametrize("gets", ["{ json = { status = 'ok' } }", "{ json = { status = '~^o' }, keys = ['status'] }"])
def test_right_json_passes(gets: str) -> None:
    play(HEALTH % gets)


@pytest.mark.parametrize(
    "gets",
    [
        "{ json = { status = 'not ok' } }",
        "{ json = { status = '~^k' } }",
        "{ json = { state = 'ok' } }",
        "{ json = { status = { a = 1 } } }",
        "{ json = { status = 1 } }",
        "{ json = ['ok'] }",
        "{ keys = ['status', 'more'] }",
    ],
)
def test_wrong_json_fails(gets: str) -> None:
    with pytest.raises(AssertionError):
        play(HEALTH % gets)


def test_what_was_captured_is_used() -> None:
    play("{ play = 'invoked' }, { play = 'answered' }")
    with pytest.raises(BadTranscript, match="has not been captured"):
        play("{ play = 'responded' }")


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ("{ play = 'invoked' }, { play = 'responded' }, { waits = 'call' }, { leaves = 'call' }", "has been answered"),
        ("{ play = 'idle' }, { absent = 'runtime' }", "has been started"),
        ("{ play = 'idle' }, { await = 'idle', gets = 200 }", "nothing came"),
        ("{ starts = 'runtime' }, { starts = 'runtime' }", "start 2 of runtime"),
        ("{ ends = 'runtime' }", "the end of runtime"),
        ("{ ends = 'runtime', already = true }", "still there"),
    ],
)
def test_what_does_not_come_to_pass_fails(steps: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(player, "PATIENCE", 0.05)
    with pytest.raises(AssertionError, match=told):
        play(steps)


@pytest.mark.parametrize(
    ("steps", "more"),
    [
        ("{ who = 'nobody', asks = 'GET /' }", ""),
        ("{ who = 'caller', asks = 'GET /', wants = 200 }", ""),
        ("{ who = 'caller', asks = 'GET /', gets = { state = 200 } }", ""),
        ("{ who = 'caller' }", ""),
        ("{ who = 'caller', asks = 'GET /' }", ""),
        ("{ who = 'runtime', asks = 'GET /', as = 'a', gets = 200 }", ""),
        ("{ who = 'runtime', asks = 'GET /', as = 'a', capture = { b = 'json:b' } }", ""),
        ("{ await = 'call', gets = 200 }", ""),
        ("{ waits = 'call' }", ""),
        ("{ sleeps = 1 }", ""),
        ("{ play = 'unknown' }", ""),
        ("{ play = 'invoked' }", ""),
        ("", "on = ['mars']"),
        ("", "colour = 'blue'"),
    ],
)
def test_what_nobody_understands_is_refused(steps: str, more: str) -> None:
    table: dict[str, Any] = {"name": "one", "on": ["memory"], **tomllib.loads(f"steps = [{steps}]\n{more}")}
    with pytest.raises(BadTranscript):
        list(parse("topic", {"transcript": [table]}, SCENES))
