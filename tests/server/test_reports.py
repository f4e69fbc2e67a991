"""START, END and REPORT: one id, true numbers, in their places among the function's own lines."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.program import Program, Reply, running

APP = """
import os, subprocess, sys, time

children = []

def handler(event, context):
    for stream, text in event.get("write", []):
        os.write(stream, text.encode())
    kept = bytearray(os.urandom(1024)) * (1024 * event.get("megabytes", 0))
    if event.get("in a child"):
        code = "x = b'x' * (1024 * 1024 * %d); print(len(x), flush=True); input()" % event["in a child"]
        child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        child.stdout.readline()
        children.append(child)
    time.sleep(event.get("nap", 0))
    if event.get("fail"):
        raise ValueError("no")
    return len(kept)
"""
REPORT = (
    r"REPORT RequestId: {}\tDuration: (?P<duration>\d+\.\d\d) ms\tBilled Duration: (?P<billed>\d+) ms"
    r"\tMemory Size: (?P<size>\d+) MB\tMax Memory Used: (?P<used>\d+) MB\t"
    r"(?:Init Duration: (?P<init>\d+\.\d\d) ms\t)?(?P<rest>.*)"
)


@dataclass(frozen=True)
class Report:
    """The numbers of a REPORT line."""

    duration: float
    billed: int
    size: int
    used: int
    init: float | None
    rest: str


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Program]:
    (tmp_path / "app.py").write_text(APP)
    env = {"AWS_LAMBDA_FUNCTION_TIMEOUT": "20", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512"}
    with running("app.handler", tmp_path, **env, AWS_LAMBDA_FUNCTION_VERSION="42") as program:
        program.said("^INIT_START")  # the lines of invocations come behind it
        yield program


def report(program: Program, reply: Reply) -> Report:
    """The REPORT line of an invocation."""
    found = program.said("^" + REPORT.format(reply.headers["x-amzn-requestid"]) + "$")
    init = float(found["init"]) if found["init"] else None
    return Report(
        float(found["duration"]), int(found["billed"]), int(found["size"]), int(found["used"]), init, found["rest"]
    )


def lines(program: Program, event: Any) -> list[str]:
    """What the console shows for one invocation, its REPORT line cut short."""
    shown = len(program.output)
    reply = program.invoke(event)
    report(program, reply)
    told = [re.sub("^REPORT.*", "REPORT", line) for line in "".join(program.output[shown:]).splitlines()]
    return [line.replace(reply.headers["x-amzn-requestid"], "ID") for line in told]


def test_the_lines_of_an_invocation_have_its_id_and_the_functions_version(served: Program) -> None:
    told = lines(served, {"write": [[1, "to stdout\n"], [2, "to stderr\n"], [1, "again\n"]]})
    assert told == [
        "START RequestId: ID Version: 42",
        "to stdout",
        "to stderr",
        "again",
        "END RequestId: ID",
        "REPORT",
    ]


def test_an_unfinished_line_is_ended_before_the_platforms_own(served: Program) -> None:
    told = lines(served, {"write": [[1, "no end"]]})
    assert told[1:3] == ["no end", "END RequestId: ID"]


def test_the_lines_of_a_function_error_are_the_same(served: Program) -> None:
    told = lines(served, {"fail": True})
    assert (told[0], told[-2:]) == ("START RequestId: ID Version: 42", ["END RequestId: ID", "REPORT"])
    assert any(line.startswith("[ERROR] ValueError: no") for line in told)


def test_only_the_first_report_has_the_init_and_bills_it(served: Program) -> None:
    first, second = (report(served, served.invoke({})) for _ in range(2))
    assert first.init is not None
    assert 5 < first.init < 10_000
    assert abs(first.billed - math.ceil(first.init + first.duration)) <= 1  # it is rounded up before the two are cut
    assert second.init is None
    assert second.billed == math.ceil(second.duration)
    assert (first.rest, second.rest) == ("", "")


def test_the_duration_is_the_handlers(served: Program) -> None:
    told = report(served, served.invoke({"nap": 0.25}))
    assert 250 <= told.duration < 1250
    assert report(served, served.invoke({})).duration < 250


def test_the_memory_is_what_the_processes_have_used_at_most(served: Program) -> None:
    before = report(served, served.invoke({}))
    assert before.size == 512
    assert 5 <= before.used < 60
    after = report(served, served.invoke({"megabytes": 60}))
    assert before.used + 55 <= after.used <= before.used + 90
    assert report(served, served.invoke({})).used >= after.used


def test_the_memory_of_living_children_counts(served: Program) -> None:
    assert report(served, served.invoke({"in a child": 80})).used >= 80


def test_a_large_output_arrives_whole_and_in_its_place(served: Program) -> None:
    told = lines(served, {"write": [[1, "x" * 4_000_000 + "\n"], [1, "last\n"]]})
    assert [len(line) for line in told[1:2]] == [4_000_000]
    assert told[2:] == ["last", "END RequestId: ID", "REPORT"]
