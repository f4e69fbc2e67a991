"""What the extension programs of the tests are made of; it runs in their processes, on the standard library alone.

Whatever a program does and hears it notes in one file of its working folder that all processes of a test share, so that
the order of the lines is the order of what happened.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

NOTES = "notes.ndjson"
NAME = Path(sys.argv[0]).name


def note(what: str, who: str = NAME, **more: Any) -> None:
    """Note something; one write, so that lines of several processes do not mix."""
    line = {"who": who, "what": what, "pid": os.getpid(), "at": time.monotonic(), **more}
    file = os.open(NOTES, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, json.dumps(line).encode() + b"\n")
    os.close(file)


def once(mark: str) -> bool:
    """Whether this is the first time in this folder that it is asked for this mark."""
    try:
        os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def wait(mark: str) -> None:
    """Wait until the test has made a file of this name."""
    while not os.path.exists(mark):
        threading.Event().wait(0.005)


def call(
    method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
) -> tuple[int, Mapping[str, str], Any]:
    """One call of the environment's API: status, headers in lower case, the body read as JSON if it is."""
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request(method, path, None if body is None else json.dumps(body), dict(headers or {}))
    reply = connection.getresponse()
    data = reply.read()
    connection.close()
    told = {k.lower(): v for k, v in reply.getheaders()}
    return reply.status, told, json.loads(data) if "json" in told.get("content-type", "") else data.decode()


class Extension:
    """An extension that registers at once; refusals are noted.

    Args:
        events: what it registers for.
        name: the file's name makes it an external one.
        headers: further headers of the registration.
    """

    def __init__(self, *events: str, name: str = NAME, headers: Mapping[str, str] | None = None) -> None:
        self.name = name
        status, told, body = call(
            "POST",
            "/2020-01-01/extension/register",
            {"events": list(events)},
            {"Lambda-Extension-Name": name, **(headers or {})},
        )
        self.identifier = told.get("lambda-extension-identifier", "")
        note("registered", name, status=status, identifier=self.identifier, body=body)

    @property
    def headers(self) -> dict[str, str]:
        """What tells the server who calls."""
        return {"Lambda-Extension-Identifier": self.identifier}

    def next(self) -> Any:
        """The next event, noted."""
        note("asks", self.name)
        status, headers, body = call("GET", "/2020-01-01/extension/event/next", None, self.headers)
        note("event" if status == 200 else "refused", self.name, status=status, headers=headers, body=body)
        return body

    def work(self) -> None:
        """Do nothing but ask, until SHUTDOWN."""
        while self.next()["eventType"] != "SHUTDOWN":
            pass

    def work_meanwhile(self) -> None:
        """The same beside whatever the program does."""
        threading.Thread(target=self.work, daemon=True).start()

    def fails(self, which: str, error_type: str) -> None:
        """Report an error: `init` or `exit`."""
        headers = {**self.headers, "Lambda-Extension-Function-Error-Type": error_type}
        status, _, body = call("POST", f"/2020-01-01/extension/{which}/error", {}, headers)
        note("reported", self.name, status=status, body=body)

    def subscribe(self, destination: Mapping[str, Any], *types: str, api: str = "telemetry", **more: Any) -> int:
        """Subscribe to telemetry, sent as soon as may be; the status."""
        path = {"telemetry": "/2022-07-01/telemetry", "logs": "/2020-08-15/logs"}[api]
        wanted = {"types": types, "destination": destination, "buffering": {"timeoutMs": 25}, **more}
        status, _, body = call("PUT", path, wanted, self.headers)
        note("subscribed", self.name, status=status, body=body)
        return status


def listen(answer: Callable[[], int] = lambda: 200, who: str = NAME) -> ThreadingHTTPServer:
    """An HTTP listener on loopback that notes each batch, and answers with the status of the moment; 0: never."""

    class Listener(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            batch = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status = answer()
            note("batch" if status == 200 else "refused batch", who, path=self.path, method=self.command, events=batch)
            if not status:
                threading.Event().wait()
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_PUT = do_POST  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def listen_for_lines(who: str = NAME) -> int:
    """A TCP listener on loopback that notes each line; its port."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            connection, _ = server.accept()
            for line in connection.makefile():
                note("batch", who, path="", method="", events=[json.loads(line)])

    threading.Thread(target=serve, daemon=True).start()
    return int(server.getsockname()[1])


def http_at(server: ThreadingHTTPServer, path: str = "", host: str = "sandbox.localdomain") -> dict[str, Any]:
    """The destination that leads to a listener."""
    return {"protocol": "HTTP", "URI": f"http://{host}:{server.server_address[1]}{path}"}
