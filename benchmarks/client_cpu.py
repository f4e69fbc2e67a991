"""What one invocation costs the function's process: `python -m benchmarks.client_cpu [--rounds N] [--invocations N]`.

User and system time of our runtime and of AWS's Python client, in turns, before one server, which answers from memory.
Where the server offers it (rapid does, AWS is not known to) ours sends an answer and its next question in one segment:
a row of its own.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
from pathlib import Path

from benchmarks.startup import NEXT, Client, clients, function, met, report

SMALL = "small event"
EVENTS = {SMALL: b'{"hello": "world"}', "event of 10 kB": b'{"list": [%s]}' % b", ".join([b'"0123456789"'] * 720)}
ECHO = "def handler(event, context):\n    return event\n"
TARGET = 0.5
WARM_UP = 50
_ACCEPTED = b'HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{"status":"OK"}\n'
_TICK = os.sysconf("SC_CLK_TCK")


class Server:
    """The Runtime API on one connection: an event for each `next`, 202 for each answer."""

    def __init__(self, connection: socket.socket, event: bytes) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection = connection
        self._data = b""
        self._event = (
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            b"Lambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n"
            b"Lambda-Runtime-Deadline-Ms: 4102444800000\r\n"
            b"Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:eu-west-1:012345678912:function:function\r\n"
            b"Lambda-Runtime-Trace-Id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(event), event)
        )

    def serve(self, invocations: int) -> None:
        """Hand out so many events and take their answers."""
        for _ in range(invocations):
            asked = self._request()
            if not asked.startswith(NEXT):
                raise ValueError(f"not a question for an event: {asked!r}")
            self._connection.sendall(self._event)
            answer = self._request()
            if b"/response HTTP" not in answer:
                raise ValueError(f"not a response: {answer!r}")
            self._drop_body(answer)
            self._connection.sendall(_ACCEPTED)

    def _request(self) -> bytes:
        """The head of the next request."""
        self._read_until(b"\r\n\r\n")
        head, _, self._data = self._data.partition(b"\r\n\r\n")
        return head

    def _drop_body(self, head: bytes) -> None:
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        while len(self._data) < length:
            self._receive()
        self._data = self._data[length:]

    def _read_until(self, mark: bytes) -> None:
        while mark not in self._data:
            self._receive()

    def _receive(self) -> None:
        data = self._connection.recv(262144)
        if not data:
            raise ValueError("the client has left")
        self._data += data


def cpu_seconds(process: int) -> float:
    """User and system time of a process so far, all its threads together."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def measure(client: Client, folder: str, event: bytes, invocations: int) -> float:
    """Microseconds of the processor per invocation, after some to warm up."""
    with met(client, folder) as (process, connection):
        server = Server(connection, event)
        server.serve(WARM_UP)
        before = cpu_seconds(process.pid)
        server.serve(invocations)
        return (cpu_seconds(process.pid) - before) / invocations * 1e6


def main() -> None:
    """Run and print; exit status 1 when ours takes more than half of awslambdaric's time for a small event.

    In a large one both spend most of it on JSON, which is not the client's: no target but a row.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--invocations", type=int, default=3000)
    chosen = parser.parse_args()
    ours, theirs = clients()
    measured = (ours, Client(f"{ours.name}, one segment", ours.words, {"RAPID_RUNTIME_PIPELINE": "1"}), theirs)
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, {chosen.rounds} rounds of {chosen.invocations}:")
    with function(ECHO) as folder:
        for _ in range(chosen.rounds):
            for name, event in EVENTS.items():
                for client in measured:
                    client.add(name, measure(client, folder, event, chosen.invocations))
    report(measured, list(EVENTS), "us", 0)
    if ours.median(SMALL) > TARGET * theirs.median(SMALL):
        sys.exit(f"more than {TARGET} of awslambdaric's time")


if __name__ == "__main__":
    main()
