#!/usr/bin/env python3
"""An extension of the standard library alone: prints what it hears, in whole lines that begin with its name.

It listens where AWS's own samples do, at `sandbox.localdomain`. The file /tmp/NAME-crash makes it leave at the next
event, /tmp/NAME-stay makes it stay whatever it is told, with a child in a session of its own.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

API = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}"
NAME = os.path.basename(sys.argv[0])
HOST = "sandbox.localdomain"


def say(*words: object) -> None:
    sys.stdout.write(f"{NAME}: {' '.join(map(str, words))}\n")
    sys.stdout.flush()


def call(method: str, path: str, headers: dict[str, str], body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    return urllib.request.urlopen(urllib.request.Request(API + path, data, headers, method=method))


class Listener(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        for event in json.loads(self.rfile.read(int(self.headers["Content-Length"]))):
            said = event["record"].strip() if event["type"] == "function" else event["record"].get("requestId", "")
            say("at", self.headers["Host"], event["type"], said)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def told_to(do: str) -> bool:
    try:
        os.unlink(f"/tmp/{NAME}-{do}")
    except FileNotFoundError:
        return False
    return True


listener = HTTPServer((HOST, 0), Listener)
threading.Thread(target=listener.serve_forever, daemon=True).start()
say("started", f"uid={os.getuid()} gid={os.getgid()} pid={os.getpid()}")

registered = call(
    "POST", "/2020-01-01/extension/register", {"Lambda-Extension-Name": NAME}, {"events": ["INVOKE", "SHUTDOWN"]}
)
me = {"Lambda-Extension-Identifier": registered.headers["Lambda-Extension-Identifier"]}
subscription = {
    "schemaVersion": "2022-12-13",
    "types": ["platform", "function"],
    "buffering": {"timeoutMs": 25},
    "destination": {"protocol": "HTTP", "URI": f"http://{HOST}:{listener.server_port}/"},
}
call("PUT", "/2022-07-01/telemetry", me, subscription)
event = {"eventType": "none"}
while event["eventType"] != "SHUTDOWN":
    event = json.load(call("GET", "/2020-01-01/extension/event/next", me))
    say(event["eventType"], event.get("requestId") or event.get("shutdownReason"))
    if told_to("crash"):
        os._exit(3)
    if told_to("stay"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        subprocess.Popen(["sleep", "3600"], start_new_session=True)
        while True:
            signal.pause()
