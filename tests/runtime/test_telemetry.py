"""Under rapid, with an extension that subscribes to telemetry: a message is one record, whatever its lines."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.program import running, until

EXTENSION = """#!{python}
import http.client, http.server, json, os, threading

class Listener(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with open("told", "ab") as told:
            told.write(body + b"\\n")
        self.send_response(200)
        self.end_headers()
    def log_message(self, *args): pass

def call(method, path, body=None, **headers):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request(method, path, body and json.dumps(body), headers)
    reply = connection.getresponse()
    return reply.headers, json.loads(reply.read().decode().replace("OK", "null"))

server = http.server.HTTPServer(("127.0.0.1", 0), Listener)
threading.Thread(target=server.serve_forever, daemon=True).start()
wanted = {{"events": ["SHUTDOWN"]}}
headers, _ = call("POST", "/2020-01-01/extension/register", wanted, **{{"Lambda-Extension-Name": "teller"}})
me = {{"Lambda-Extension-Identifier": headers["Lambda-Extension-Identifier"]}}
to = {{"protocol": "HTTP", "URI": f"http://sandbox.localdomain:{{server.server_port}}"}}
wanted = {{"schemaVersion": "2022-12-13", "types": ["function"], "destination": to, "buffering": {{"timeoutMs": 25}}}}
call("PUT", "/2022-07-01/telemetry", wanted, **me)
call("GET", "/2020-01-01/extension/event/next", **me)
"""
APP = """
import logging
logging.getLogger().setLevel("INFO")
def handler(event, context):
    print("printed\\nin two")
    logging.info("one\\n two\\n\\nthree")
    raise ValueError("a\\nb")
"""


@pytest.fixture
def task(tmp_path: Path) -> Path:
    extension = tmp_path / "extensions" / "teller"
    extension.parent.mkdir()
    extension.write_text(EXTENSION.format(python=sys.executable))
    extension.chmod(0o755)
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


def _records(task: Path, count: int) -> list[Any]:
    """The records that the extension has been told, when there are `count` of them."""

    def told() -> list[Any]:
        lines = (task / "told").read_text().split("\n")[:-1] if (task / "told").exists() else []
        return [event["record"] for line in lines for event in json.loads(line)]

    return until(lambda: told() if len(told()) >= count else None, f"{count} records of the function")


@pytest.mark.parametrize("form", ["Text", "JSON"])
def test_a_message_of_several_lines_is_one_record(task: Path, form: str) -> None:
    env = {"RAPID_EXTENSIONS_DIR": str(task / "extensions"), "AWS_LAMBDA_LOG_FORMAT": form}
    with running("app.handler", task, **env) as program:
        assert program.invoke({}).json["errorType"] == "ValueError"
        records = _records(task, 4)
        program.stop()
        console = "".join(program.output)
    printed = [record for record in records if record in ("printed", "in two")]
    record, error = (record for record in records if record not in printed)
    assert printed == ["printed", "in two"]
    if form == "JSON":
        assert (record["level"], record["message"], record["logger"]) == ("INFO", "one\n two\n\nthree", "root")
        assert (error["level"], error["errorMessage"]) == ("ERROR", "a\nb")
        assert record["requestId"] == error["requestId"]
    else:
        assert record.removesuffix("\n").endswith("\tone\n two\n\nthree")
        assert error.startswith("[ERROR] ValueError: a\nb\nTraceback (most recent call last):\n")
        assert "\tone\n two\n\nthree\n" in console
        assert "\n[ERROR] ValueError: a\nb\nTraceback" in console
