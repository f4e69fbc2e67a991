"""A function that gives trouble in every way that its event asks for, and who is left of a rapid that ran it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.server.gate import Gate, gate
from tests.support.program import Program, running, until

APP = """
import json, os, signal, socket, time

def stay(*, session):
    \"\"\"Leave a process behind: a child, or a daemon in a session of its own, whose parent has gone. Its number.\"\"\"
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        if session:
            os.setsid()
            if os.fork():
                os._exit(0)
        os.write(writer, str(os.getpid()).encode())
        while True:
            signal.pause()
    if session:
        os.waitpid(child, 0)
    return int(os.read(reader, 20))

def wait(told):
    \"\"\"Stay at the gate until it is opened.\"\"\"
    with socket.socket(socket.AF_UNIX) as gate:
        gate.connect(os.environ["GATE"])
        gate.sendall(json.dumps(told).encode() + b"\\n")
        gate.recv(1)

def handler(event, context):
    do, left = event.get("do"), None
    if event.get("gate first"):
        wait(None)
    if do == "sleep":
        time.sleep(event["seconds"])
    if do == "raise":
        raise ValueError(event["token"])
    if do == "exit":
        os._exit(event["status"])
    if do == "daemon":
        left = stay(session=True)
    if do == "child":
        left = stay(session=False)
    if do == "write":
        for line in range(event["lines"]):
            print(f"{event['token']} {line} " + "." * 50)
    if do == "ignore":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    told = {"token": event.get("token"), "pid": os.getpid(), "left": left}
    if event.get("gate"):
        wait(told)
    return told
"""

MARK = "TEST_MARK"

KINDS = {"plain": (), "fork": ("--snapshot", "fork")}
"""Flags by the way that environments come to be."""

FORKED = "a fork of the template"


@contextmanager
def troubled(folder: Path, kind: str, *flags: str, most: int = 2, **env: str) -> Iterator[tuple[Program, Gate]]:
    """A rapid with that function, and a gate for its handlers; at the end nobody is left who came from it."""
    (folder / "app.py").write_text(APP)
    mark = uuid.uuid4().hex
    told = {"RAPID_MAX_ENVIRONMENTS": str(most), "AWS_LAMBDA_FUNCTION_TIMEOUT": "30", MARK: mark, **env}
    address = ("--runtime-interface-emulator-address", "127.0.0.1:0", "--runtime-api-address", "127.0.0.1:0")
    with gate(folder) as it:
        with running("app.handler", folder, (*address, *KINDS[kind], *flags), GATE=it.path, **told) as program:
            yield program, it
            assert (program.process.returncode if program.process.poll() is not None else program.stop()) == 0
        assert marked(mark) == []
    assert "Traceback" not in "".join(program.errors), "".join(program.errors)


def marked(mark: str) -> list[int]:
    """The processes that come from a rapid with that mark."""
    wanted = f"{MARK}={mark}".encode()
    return [int(pid) for pid in os.listdir("/proc") if pid.isdigit() and wanted in _read(f"/proc/{pid}/environ")]


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:  # it has left
        return b""


def forks_are_there(program: Program) -> None:
    """Environments come out of the template."""
    until(lambda: FORKED in "".join(program.errors), "a fork of the template")
