"""A gate in the middle of handlers: each tells that it is there, and goes on when it is told to."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.program import PATIENCE

APP = """
import json, os, socket, sys

def handler(event, context):
    do = event.get("do")
    if do == "print":
        for line in range(event["lines"]):
            print(f"{event['say']} {line} " + "." * 50)
    if do == "exit":
        os._exit(event["status"])
    told = {"event": event, "pid": os.getpid(), "id": context.aws_request_id, "parent": os.getppid()}
    if do == "gate":
        with socket.socket(socket.AF_UNIX) as gate:
            gate.connect(os.environ["GATE"])
            gate.sendall(json.dumps(told).encode() + b"\\n")
            gate.recv(1)
    if do == "environ":
        told["environ"] = {name: os.environ.get(name) for name in event["names"]}
    return told
"""


@dataclass(frozen=True)
class Here:
    """A handler at the gate: what it has told."""

    told: Any
    connection: socket.socket

    def pass_on(self) -> None:
        """Let it go on."""
        self.connection.close()


class Gate:
    """Where handlers wait."""

    def __init__(self, listener: socket.socket, path: str) -> None:
        self.path = path
        self._listener = listener
        self.here: list[Here] = []

    def arrived(self, count: int = 1) -> list[Here]:
        """Wait until so many more are here; they."""
        found = [self._next() for _ in range(count)]
        self.here += found
        return found

    def _next(self) -> Here:
        connection, _ = self._listener.accept()
        connection.settimeout(PATIENCE)
        line = b""
        while not line.endswith(b"\n"):
            line += connection.recv(4096)
        return Here(json.loads(line), connection)

    def nobody(self) -> bool:
        """Whether nobody is on the way here by now."""
        self._listener.setblocking(False)
        try:
            self._listener.accept()[0].close()
        except BlockingIOError:
            return True
        finally:
            self._listener.settimeout(PATIENCE)
        return False


@contextmanager
def gate(folder: Path) -> Iterator[Gate]:
    """A gate in a folder; at the end all go on."""
    path = folder / "gate"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(64)
        listener.settimeout(PATIENCE)
        it = Gate(listener, str(path))
        try:
            yield it
        finally:
            for here in it.here:
                here.pass_on()
