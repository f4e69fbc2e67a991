"""A function that gives trouble in every way that its event asks for, and who is left of a rapid that ran it."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.server.gate import Gate, gate
from tests.support.program import Program, running

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


def below(program: Program) -> dict[int, str]:
    """Command line by number, of rapid's children."""
    pid = program.process.pid
    found = _read(f"/proc/{pid}/task/{pid}/children").split()
    return {int(child): _read(f"/proc/{child.decode()}/cmdline").replace(b"\0", b" ").decode() for child in found}


def runtimes(program: Program) -> list[int]:
    """The runtimes of environments, and what they have forked."""
    own = templates(program)
    return [pid for pid, command in below(program).items() if "runtime/__main__.py" in command and pid not in own]


def templates(program: Program) -> list[int]:
    """The processes that environments are forked from: at most one."""
    forks = {int(pid) for pid in re.findall(rf"process (\d+), {FORKED}", "".join(program.errors))}
    return [pid for pid in below(program) if pid not in forks and _is_template(pid)]


def _is_template(pid: int) -> bool:
    if b"RAPID_TEMPLATE_SOCKET=" not in _read(f"/proc/{pid}/environ"):
        return False
    try:
        return os.getpgid(pid) == pid  # forks that wait have none of their own
    except ProcessLookupError:
        return False
