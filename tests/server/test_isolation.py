"""Whatever one environment does, another one's invocations go on: each test holds both where they are to meet."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.server.gate import gate
from tests.server.played import begin
from tests.server.test_lifecycle import alive, gone
from tests.server.troubled import APP, templates, troubled
from tests.support.program import ANY_PORT, PATIENCE, Program, call, environ, until

INVOKE = "/2015-03-31/functions/function/invocations"
each = pytest.mark.parametrize("kind", ["plain", "fork"])


def works(program: Program, times: int = 5) -> set[int]:
    """Invocations are answered, each with its own answer: the processes they ran in."""
    replies = [program.invoke({"token": number}) for number in range(times)]
    assert [reply.json["token"] for reply in replies] == list(range(times))
    return {reply.json["pid"] for reply in replies}


@each
def test_a_slow_environment_delays_nobody(tmp_path: Path, kind: str) -> None:
    with troubled(tmp_path, kind) as (program, it):
        slow = begin(program.invoke, {"gate": True, "token": "slow"})
        (here,) = it.arrived()
        assert here.told["pid"] not in works(program)
        assert not slow.done()
        here.pass_on()
        assert slow.result(PATIENCE).json["token"] == "slow"


@each
def test_a_crashing_environment_fails_nobody_else(tmp_path: Path, kind: str) -> None:
    with troubled(tmp_path, kind) as (program, it):
        other = begin(program.invoke, {"gate": True, "token": "other"})
        (here,) = it.arrived()
        for status in (1, 2, 3):
            reply = program.invoke({"do": "exit", "status": status})
            assert reply.json["errorType"] == "Runtime.ExitError"
            assert f"exit status {status}" in reply.json["errorMessage"]
        killed = begin(program.invoke, {"gate": True})
        os.kill(it.arrived()[0].told["pid"], signal.SIGKILL)
        assert "signal: killed" in killed.result(PATIENCE).json["errorMessage"]
        works(program)
        here.pass_on()
        assert other.result(PATIENCE).json == {"token": "other", "pid": here.told["pid"], "left": None}


@each
def test_a_hanging_environment_delays_nobody_until_it_is_ended(tmp_path: Path, kind: str) -> None:
    with troubled(tmp_path, kind, AWS_LAMBDA_FUNCTION_TIMEOUT="2") as (program, it):
        hanging = begin(program.invoke, {"do": "ignore", "gate": True})
        (here,) = it.arrived()
        ran_in = works(program)
        while not hanging.done():
            ran_in |= works(program, 1)
        assert "timed out" in hanging.result().json["errorMessage"]
        assert here.told["pid"] not in ran_in
        assert len(ran_in) == 1
        assert gone(here.told["pid"])


@each
@pytest.mark.parametrize("leak", ["daemon", "child"])
def test_what_one_environment_leaves_behind_ends_with_it_and_not_with_another(
    tmp_path: Path, kind: str, leak: str
) -> None:
    with troubled(tmp_path, kind) as (program, it):
        calls = [begin(program.invoke, {"do": leak, "gate": True, "token": token}) for token in "ab"]
        ends, stays = it.arrived(2)
        ends.pass_on()
        os.kill(ends.told["pid"], signal.SIGKILL)  # now, or when it has answered
        assert gone(ends.told["left"])
        works(program)
        assert alive(stays.told["left"])
        assert alive(stays.told["pid"])
        stays.pass_on()
        answers = [each.result(PATIENCE).json for each in calls]
        assert stays.told in answers
    assert not alive(stays.told["left"])


def test_what_is_left_behind_by_who_comes_from_a_template_is_not_the_templates(tmp_path: Path) -> None:
    with troubled(tmp_path, "fork") as (program, it):
        held = begin(program.invoke, {"do": "daemon", "gate": True})
        (here,) = it.arrived()
        (template,) = templates(program)
        os.kill(template, signal.SIGKILL)
        until(lambda: "the template has left" in "".join(program.errors), "word of the template")
        works(program)
        assert alive(here.told["left"])
        here.pass_on()
        assert held.result(PATIENCE).json == here.told


def test_a_flood_of_one_environment_that_nobody_reads_delays_no_other(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    said = tmp_path / "said"
    env = environ(RAPID_MAX_ENVIRONMENTS="2", AWS_LAMBDA_FUNCTION_TIMEOUT="60", GATE=str(tmp_path / "gate"))
    command = [sys.executable, "-m", "rapid", *ANY_PORT, "app.handler"]
    with gate(tmp_path) as it, said.open("w") as errors:
        process = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=errors)
        try:
            address = until(lambda: re.search(r"invoke at http://(\S+),", said.read_text()), "an address")[1]

            def invoke(event: str) -> Any:
                return call(address, "POST", INVOKE, event.encode()).json

            quiet = begin(invoke, '{"gate": true}')
            (here,) = it.arrived()
            flood = begin(invoke, '{"do": "write", "lines": 100000, "token": "flood", "gate first": true}')
            it.arrived()[0].pass_on()
            here.pass_on()
            assert quiet.result(PATIENCE)["pid"] == here.told["pid"]
            for number in range(20):
                assert invoke(f'{{"token": {number}}}') == {"token": number, "pid": here.told["pid"], "left": None}
            assert not flood.done()
            assert process.stdout is not None
            reader = begin(process.stdout.read)
            assert flood.result(PATIENCE)["token"] == "flood"
            process.terminate()
            assert process.wait(PATIENCE) == 0
            assert reader.result(PATIENCE).count(b"flood ") == 100000
        finally:
            process.kill()
            process.communicate()
