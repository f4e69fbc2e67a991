"""More memory than the function has: the environment is ended, whoever of it took the memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.program import Program, running

APP = """
import subprocess, sys, time

TAKE = '''
import sys, time
kept = []
for _ in range(60):
    kept.append(b"x" * (20 * 1024 * 1024))
    time.sleep(0.02)
time.sleep(1000)
'''

def handler(event, context):
    if event["who"] == "nobody":
        return "fine"
    if event["who"] == "one of many":
        for _ in range(20):
            subprocess.Popen(["sleep", "1000"])
        exec(TAKE)
    if event["who"] == "child":
        subprocess.run([sys.executable, "-c", TAKE])
    if event["who"] == "orphan":
        subprocess.run(["sh", "-c", 'setsid "$0" -c "$1" >/dev/null 2>&1 & exit 0', sys.executable, TAKE])
        time.sleep(1000)
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A function of 128 MB."""
    task: Path = tmp_path_factory.mktemp("task")
    (task / "app.py").write_text(APP)
    limits = {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128", "AWS_LAMBDA_FUNCTION_TIMEOUT": "60"}
    with running("app.handler", task, **limits) as it:
        yield it


@pytest.mark.parametrize("who", ["one of many", "child", "orphan"])
def test_whoever_takes_it_the_environment_is_ended(program: Program, who: str) -> None:
    reply = program.invoke({"who": who})
    request_id = reply.headers["x-amzn-requestid"]
    assert json.loads(reply.body) == {
        "errorType": "Runtime.OutOfMemory",
        "errorMessage": f"RequestId: {request_id} Error: Runtime exited with error: signal: killed",
    }
    program.said(
        rf"^REPORT RequestId: {request_id}\t.*Memory Size: 128 MB\tMax Memory Used: 128 MB\t"
        r".*Status: error\tError Type: Runtime.OutOfMemory$"
    )
    assert program.invoke({"who": "nobody"}).json == "fine"
