"""WSGI: what an application is told, and what it may do with its response."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.runtime.harness import Event as Served
from tests.runtime.harness import Run, ours, write
from tests.web.events import Event, balancer, received, rest, url


def _run(task: Path, source: str, *events: Event) -> Run:
    write(task, app=source)
    return ours(task, *(Served(json.dumps(event)) for event in events), handler="app:app")


TOLD = """
import json
from wsgiref.validate import validator

def app(environ, start_response):
    told = {name: value for name, value in environ.items() if isinstance(value, (str, bool, tuple))}
    told["input"] = environ["wsgi.input"].read().decode("latin-1")
    told["event"] = environ["aws.event"]["isBase64Encoded"]
    told["request"] = environ["aws.context"].aws_request_id
    print("an error", file=environ["wsgi.errors"])
    text = json.dumps(told).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(text)))])
    return [text]

app = validator(app)
"""


def _told(task: Path, event: Event) -> Event:
    run = _run(task, TOLD.replace(".read()", ".read(1000)"), event)
    status, _headers, body = received(run.only.json())
    assert status == 200, run.stdout + run.stderr
    assert "an error" in run.stderr
    told: Event = json.loads(body)
    return told


def test_the_environ_of_a_request(tmp_path: Path) -> None:
    event = url(
        "POST",
        "/dev/caf%C3%A9/a%2Fb",
        query="q=%20&r",
        stage="dev",
        cookies=["a=1", "b=2"],
        headers={"content-type": "text/plain", "x-name": "ü", "content-length": "99", "x_name": "forged"},
        body=b"\xff\x00",
    )
    told = _told(tmp_path, event)
    expected = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "/dev",
        "PATH_INFO": "/café/a/b".encode().decode("latin-1"),
        "REQUEST_URI": "/dev/caf%C3%A9/a%2Fb?q=%20&r",
        "QUERY_STRING": "q=%20&r",
        "CONTENT_TYPE": "text/plain",
        "CONTENT_LENGTH": "2",
        "REMOTE_ADDR": "192.0.2.1",
        "SERVER_NAME": "id.lambda-url.us-east-1.on.aws",
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_COOKIE": "a=1; b=2",
        "HTTP_X_NAME": "ü".encode().decode("latin-1"),
        "wsgi.url_scheme": "https",
        "input": "\xff\x00",
        "event": True,
    }
    assert {name: told[name] for name in expected} == expected
    assert told["request"]
    assert not [name for name in told if name in ("HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE")]


@pytest.mark.parametrize("event", [rest(), rest(stage="dev"), balancer(), balancer(multi=True), url()])
def test_the_environ_is_valid_from_every_source(tmp_path: Path, event: Event) -> None:
    assert _told(tmp_path, event)["PATH_INFO"] == "/"


def test_a_header_that_was_sent_twice_is_joined(tmp_path: Path) -> None:
    told = _told(tmp_path, balancer(multi=True, headers=[("accept", "a"), ("accept", "b"), ("cookie", "c=1")]))
    assert (told["HTTP_ACCEPT"], told["HTTP_COOKIE"]) == ("a,b", "c=1")


RESPONSES = {
    "pieces": ("start('201 Made', []); return [b'a', b'', b'b']", (201, b"ab")),
    "generator": ("start('200 OK', []); yield b'a'; yield b'b'", (200, b"ab")),
    "late start": ("yield b''; start('202 OK', []); yield b'b'", (500, None)),
    "generator starts": ("start('202 OK', []); yield b''", (202, b"")),
    "write": ("write = start('200 OK', []); write(b'a'); return [b'b']", (200, b"ab")),
    "again": (
        "start('200 OK', []); start('404 No', [], (LookupError, LookupError(), None)); return [b'x']",
        (404, b"x"),
    ),
    "again, late": (
        "write = start('200 OK', []); write(b'a'); start('404 No', [], (LookupError, LookupError('x'), None))",
        (500, None),
    ),
    "again, for nothing": ("start('200 OK', []); start('200 OK', []); return []", (500, None)),
    "not at all": ("return [b'x']", (500, None)),
    "raises": ("raise KeyError('x')", (500, None)),
    "raises later": ("start('200 OK', []); yield b'a'; raise KeyError('x')", (500, None)),
    "text": ("start('200 OK', []); return ['text']", (500, None)),
    "not iterable": ("start('200 OK', []); return None", (500, None)),
}


@pytest.mark.parametrize("what", RESPONSES)
def test_a_response(tmp_path: Path, what: str) -> None:
    source, (status, body) = RESPONSES[what]
    run = _run(tmp_path, f"def app(environ, start):\n    {source}\n", url(), url())
    expected = body if body is not None else b"Internal Server Error"
    assert [received(post.json())[::2] for post in run.posts] == [(status, expected)] * 2
    assert run.stdout.count("[ERROR]") == (0 if body is not None else 2)


def test_the_pieces_are_closed(tmp_path: Path) -> None:
    source = """
class Pieces:
    def __iter__(self):
        yield b"a"
        1 / 0
    def close(self):
        print("closed")

def app(environ, start):
    start("200 OK", [])
    return Pieces()
"""
    run = _run(tmp_path, source, url())
    assert "closed" in run.stdout


def test_letters_in_headers_arrive(tmp_path: Path) -> None:
    source = (
        "def app(environ, start):\n    start('200 OK', [('X-A', 'ü'.encode().decode('latin-1')), ('x-b', '\\xfc')])\n"
    )
    run = _run(tmp_path, source + "    return []\n", url())
    assert dict(received(run.only.json())[1]) == {"x-a": "ü", "x-b": "ü"}
