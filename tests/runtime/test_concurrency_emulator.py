"""Several invocations at once under AWS's emulator, which is another program where that variable is set.

It runs /var/runtime/bootstrap as a user of its own, so it needs a /var of its own, and an interpreter for everybody.
"""

from __future__ import annotations

import functools
import http.client
import json
import os
import shutil
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.harness import BOOTSTRAP, write
from tests.runtime.several import MEET, Barrier
from tests.support import emulator
from tests.support.program import PATIENCE, environ, free_port, until

OWN_VAR = (
    'mount -t tmpfs tmpfs /var && mkdir /var/tmp /var/task /var/runtime && mount --bind "$0" /var/task'
    ' && mount --bind "$1" /var/runtime && shift && exec "$@"'
)
PLACES = "/usr/local/bin:/usr/bin"
RECENT = "import sys; sys.exit(sys.version_info < (3, 10))"
SYNC = MEET + "def handler(event, context):\n    meet()\n    return [event, context.aws_request_id, os.getpid()]\n"
ASYNC = SYNC.replace("def handler", "async def handler").replace("    meet()\n", "    await ameet()\n")


@functools.cache
def interpreter() -> str | None:
    """A Python that any user may run; None if there is none, or no /var of its own for a process."""
    python = shutil.which("python3", path=PLACES)
    words = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs tmpfs /var"]
    if (
        python is None
        or os.geteuid()
        or any(subprocess.run(each, check=False).returncode for each in ([python, "-c", RECENT], words))
    ):
        return None
    return python


def invoke(address: str, event: object) -> Any:
    """The result; asks again while there is nobody to serve it, for which the emulator does not wait."""
    while True:
        connection = http.client.HTTPConnection(address, timeout=PATIENCE)
        try:
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/2015-03-31/functions/function/invocations", json.dumps(event), headers)
            reply = connection.getresponse()
            result = json.load(reply)
        finally:
            connection.close()
        if reply.status != 400 or result["errorType"] != "Runtime.Unavailable":
            return result


@pytest.mark.parametrize(("source", "processes"), [(SYNC, 3), (ASYNC, 1)], ids=["processes", "tasks"])
def test_awss_emulator_has_several_served_at_once(tmp_path: Path, source: str, processes: int) -> None:
    python = interpreter()
    if python is None:
        pytest.skip("no interpreter that any user may run, or no mount namespaces")
    write(tmp_path, app=source)
    tmp_path.chmod(0o755)
    barrier, address = Barrier(3), f"127.0.0.1:{free_port()}"
    flags = ["--runtime-interface-emulator-address", address, "--runtime-api-address", f"127.0.0.1:{free_port()}"]
    words = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        OWN_VAR,
        str(tmp_path),
        str(BOOTSTRAP.parent),
        str(emulator.binary()),
        *flags,
    ]
    told = {
        "AWS_LAMBDA_MAX_CONCURRENCY": "3",
        "_HANDLER": "app.handler",
        "RAPID_PYTHON": python,
        "BARRIER": barrier.port,
    }
    log = tmp_path / "log"
    with log.open("wb") as file, ThreadPoolExecutor(3) as callers:
        process = subprocess.Popen(
            words, env=environ(**told), stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            until(lambda: _listens(address), "the emulator to listen")
            for _ in range(2):
                barrier.allow(1)
                answers = list(callers.map(functools.partial(invoke, address), range(3)))
                assert [event for event, *_ in answers] == [0, 1, 2], log.read_text()
                assert len({request_id for _, request_id, _ in answers}) == 3
                assert len({pid for *_, pid in answers}) == processes
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(PATIENCE)
            barrier.close()


def _listens(address: str) -> bool:
    connection = http.client.HTTPConnection(address, timeout=PATIENCE)
    try:
        connection.connect()
    except OSError:
        return False
    finally:
        connection.close()
    return True
