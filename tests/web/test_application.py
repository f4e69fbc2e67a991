"""Applications that are written by hand: their start, their end, their errors, and what is none."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.runtime.harness import BOOTSTRAP, PYTHON, FakeRuntimeAPI, Run, ours, write
from tests.runtime.harness import Event as Served
from tests.web.events import received, rest, url
from tests.web.support import ask, serving

HEAD = """
import asyncio, os, sys

async def lifespan(scope, receive, send):
    assert (await receive())["type"] == "lifespan.startup"
    await started(scope, send)
    assert (await receive())["type"] == "lifespan.shutdown"
    print("ended on the loop of the start:", scope["state"]["loop"] is asyncio.get_running_loop())
    await send({"type": "lifespan.shutdown.complete"})

async def started(scope, send):
    print("started")
    scope["state"]["loop"] = asyncio.get_running_loop()
    await send({"type": "lifespan.startup.complete"})

async def respond(send, status=200, headers=(), body=b"", more_body=False):
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body, "more_body": more_body})

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(scope, receive, send)
    await request(scope, receive, send)

async def request(scope, receive, send):
    await respond(send, body=str(scope["state"]["loop"] is asyncio.get_running_loop()).encode())
"""


def _run(task: Path, source: str, *events: object, handler: str = "app:app", **env: str) -> Run:
    write(task, app=source)
    return ours(task, *(Served(json.dumps(event)) for event in events), handler=handler, env=env)


def _bodies(run: Run) -> list[bytes]:
    return [received(post.json())[2] for post in run.posts]


def test_an_application_starts_once_and_ends_with_the_process(tmp_path: Path) -> None:
    run = _run(tmp_path, HEAD, url(), rest())
    assert _bodies(run) == [b"True", b"True"]
    assert run.stdout == "started\nended on the loop of the start: True\n"


OWN = "import signal; signal.signal(15, lambda *_: (print('own'), os._exit(3)))"


@contextmanager
def _started(task: Path, source: str, address: str) -> Iterator[subprocess.Popen[str]]:
    write(task, app=source)
    env = {"PATH": os.environ["PATH"], "RAPID_PYTHON": PYTHON, "AWS_LAMBDA_RUNTIME_API": address}
    with subprocess.Popen([BOOTSTRAP, "app:app"], cwd=task, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _ended(process: subprocess.Popen[str], own: str) -> None:
    process.terminate()
    said, _ = process.communicate(timeout=20)
    assert said.splitlines()[-1 - bool(own) :] == ["ended on the loop of the start: True", *(["own"] if own else [])]
    assert process.returncode == (3 if own else -signal.SIGTERM)


@pytest.mark.parametrize("own", ["", OWN])
def test_sigterm_ends_an_application_that_waits_for_an_event(tmp_path: Path, own: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(20)
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with _started(tmp_path, f"{HEAD}\n{own}\n", address) as process, silent.accept()[0] as asking:
            assert asking.recv(4) == b"GET "
            _ended(process, own)


@pytest.mark.parametrize("own", ["", OWN])
def test_sigterm_ends_an_application_in_the_middle_of_a_request(tmp_path: Path, own: str) -> None:
    source = f"{HEAD}\n{own}\nasync def request(*_):\n    print('asked')\n    await asyncio.sleep(60)\n"
    with FakeRuntimeAPI([Served(json.dumps(url()))]) as api, _started(tmp_path, source, api.address) as process:
        assert process.stdout
        assert [process.stdout.readline(), process.stdout.readline()] == ["started\n", "asked\n"]
        _ended(process, own)


FAILS = """
async def started(scope, send):
    try:
        raise LookupError("no database")
    except LookupError as error:
        await send({"type": "lifespan.startup.failed", "message": "the text"})
        AGAIN
"""


@pytest.mark.parametrize(
    ("again", "kind", "message"),
    [("raise", "LookupError", "no database"), ("return", "LifespanFailedError", "the text")],
)
def test_a_start_that_fails_is_an_init_error(tmp_path: Path, again: str, kind: str, message: str) -> None:
    run = _run(tmp_path, HEAD + FAILS.replace("AGAIN", again), url())
    assert run.only.kind == "init/error"
    told = run.only.json()
    assert (told["errorType"], told["errorMessage"]) == (kind, message)
    assert "runtime/" not in "".join(told["stackTrace"])
    assert ("app.py" in "".join(told["stackTrace"])) == (again == "raise")
    assert run.status == 1


@pytest.mark.parametrize(
    ("lifespan", "logged"),
    [
        ("raise RuntimeError", False),
        ("return", False),
        ("await receive(); raise LookupError('after it began')", True),
        ("await respond(send)", False),
        ("await receive(); await respond(send)", True),
    ],
)
def test_without_lifespan_an_application_is_served(tmp_path: Path, lifespan: str, logged: bool) -> None:
    source = f"{HEAD}\nasync def lifespan(scope, receive, send):\n    {lifespan}\n"
    source += "async def request(scope, receive, send):\n    await respond(send, body=b'served')\n"
    run = _run(tmp_path, source, url())
    assert _bodies(run) == [b"served"]
    assert ("[ERROR]" in run.stdout) == logged


ERRORS = {
    "before": "raise ValueError('mine')",
    "in the middle": "await respond(send, body=b'a', more_body=True); raise ValueError('mine')",
    "unfinished": "await respond(send, body=b'a', more_body=True)",
    "nothing": "pass",
    "body first": "await send({'type': 'http.response.body'})",
    "twice": "await respond(send, more_body=True); await respond(send)",
    "not bytes": "await respond(send, body='text')",
}


@pytest.mark.parametrize("what", ERRORS)
def test_an_error_is_a_500_and_a_stack_in_the_log(tmp_path: Path, what: str) -> None:
    run = _run(tmp_path, f"{HEAD}\nasync def request(scope, receive, send):\n    {ERRORS[what]}\n", url(), url())
    for post in run.posts:
        assert received(post.json()) == (500, [("content-type", "text/plain; charset=utf-8")], b"Internal Server Error")
    assert run.stdout.count("[ERROR]") == 2
    if "mine" in ERRORS[what]:
        assert "ValueError: mine" in run.stdout
        assert "runtime/" not in run.stdout


def test_an_error_after_the_response_leaves_the_response(tmp_path: Path) -> None:
    source = f"{HEAD}\nasync def request(scope, receive, send):\n    await respond(send, body=b'done')\n    1 / 0\n"
    run = _run(tmp_path, source, url())
    assert _bodies(run) == [b"done"]
    assert "[ERROR] ZeroDivisionError" in run.stdout


def test_errors_are_json_where_the_log_is(tmp_path: Path) -> None:
    source = f"{HEAD}\nasync def request(scope, receive, send):\n    raise ValueError('mine')\n"
    run = _run(tmp_path, source, url(), AWS_LAMBDA_LOG_FORMAT="JSON")
    (line,) = [line for line in run.stdout.splitlines() if line.startswith("{")]
    assert json.loads(line)["errorMessage"] == "mine"
    assert json.loads(line)["requestId"]


def test_receive_tells_the_body_then_waits_for_the_response(tmp_path: Path) -> None:
    source = f"""{HEAD}
async def request(scope, receive, send):
    first = await receive()
    later = asyncio.ensure_future(receive())
    await asyncio.sleep(0)
    early = later.done()
    await respond(send, body=repr((first["body"], first["more_body"], early)).encode())
    print((await later)["type"])
"""
    run = _run(tmp_path, source, url("POST", body=b"\xff"))
    assert _bodies(run) == [b"(b'\\xff', False, False)"]
    assert "http.disconnect" in run.stdout


@pytest.mark.parametrize("event", [{}, [], 1, None, {"Records": []}, {"requestContext": {"eventType": "CONNECT"}}])
def test_an_event_that_is_no_request_is_an_error(tmp_path: Path, event: object) -> None:
    run = _run(tmp_path, f"{HEAD}\ndef wsgi(environ, start_response): pass", event)
    assert run.only.json()["errorType"] == "Runtime.NotAnHttpEvent"


def test_requests_have_context_variables_of_their_own(tmp_path: Path) -> None:
    source = f"""{HEAD}
import contextvars
count = contextvars.ContextVar("count", default=0)
async def request(scope, receive, send):
    count.set(count.get() + 1)
    await respond(send, body=str(count.get()).encode())
"""
    assert _bodies(_run(tmp_path, source, url(), url())) == [b"1", b"1"]


@pytest.mark.parametrize(("mounted", "seen"), [("/base", "/base /base/x"), ("", " /x"), ("base/", "/base /base/x")])
def test_where_it_is_mounted_can_be_said(tmp_path: Path, mounted: str, seen: str) -> None:
    source = f"""{HEAD}
async def request(scope, receive, send):
    await respond(send, body=(scope["root_path"] + " " + scope["path"]).encode())
"""
    with serving(tmp_path, source, RAPID_APP_ROOT_PATH=mounted) as program:
        assert ask(program, url(path="/x"))[2].decode() == seen


KINDS = {
    "three": ("async def app(scope, receive, send): await respond(send, body=b'ok')", None),
    "wrapped": ("import functools\ndef app(*a): return request(*a)\nfunctools.update_wrapper(app, request)", None),
    "object": ("class A:\n    async def __call__(self, *a): await respond(a[2], body=b'ok')\napp = A()", None),
    "returns": ("def app(scope, receive, send): return respond(send, body=b'ok')", None),
    "partial": ("import functools\napp = functools.partial(lambda a, s, r, w: request(s, r, w), 1)", None),
    "method": ("class A:\n    async def f(self, s, r, w): await respond(w, body=b'ok')\napp = A().f", None),
    "annotated": ("async def app(scope: 'Nowhere', receive, send) -> None: await respond(send, body=b'ok')", None),
    "wsgi": ("def app(environ, start): start('200 OK', []); return [b'ok']", None),
    "wsgi object": (
        "class A:\n    def __call__(self, environ, start): start('200 OK', []); return [b'ok']\napp = A()",
        None,
    ),
    "factory": ("def app(): pass", "takes no arguments"),
    "ASGI 2": ("class app:\n    def __init__(self, scope): pass\n    async def __call__(self, r, s): pass", "ASGI 2"),
    "class": ("class app:\n    def __init__(self, scope, receive, send): pass", "is a class"),
    "handler": ("async def app(event, context): pass", "neither"),
    "number": ("app = 1", "cannot be called"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_it_is_shows_in_how_it_can_be_called(tmp_path: Path, kind: str) -> None:
    source, refused = KINDS[kind]
    served = "async def request(scope, receive, send): await respond(send, body=b'ok')\n"
    run = _run(tmp_path, f"{HEAD}\n{served}{source}\n", url())
    if refused is None:
        assert _bodies(run) == [b"ok"]
    else:
        assert run.only.kind == "init/error"
        assert run.only.json()["errorType"] == "Runtime.NotAnApplication"
        assert refused in run.only.json()["errorMessage"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("app:", "Runtime.MalformedHandlerName"),
        (":app", "Runtime.MalformedHandlerName"),
        ("app:app()", "Runtime.MalformedHandlerName"),
        ("app:nothing", "Runtime.HandlerNotFound"),
        ("nowhere:app", "Runtime.ImportModuleError"),
        ("sys:app", "Runtime.BuiltInModuleConflict"),
    ],
)
def test_names_that_lead_nowhere(tmp_path: Path, name: str, kind: str) -> None:
    assert _run(tmp_path, HEAD, handler=name).only.json()["errorType"] == kind


def test_a_name_may_lead_deeper(tmp_path: Path) -> None:
    write(tmp_path, package__site=f"{HEAD}\nclass site:\n    app = staticmethod(app)\n")
    assert _bodies(_run(tmp_path, HEAD, url(), handler="package.site:site.app")) == [b"True"]
    assert _bodies(_run(tmp_path, HEAD, url(), handler="package/site:site.app")) == [b"True"]


@pytest.mark.parametrize("name", ["web", "asgi", "wsgi", "events", "urllib", "inspect", "binascii", "lifespan"])
def test_files_of_the_user_may_have_our_names(tmp_path: Path, name: str) -> None:
    source = "def app(environ, start): start('200 OK', []); return [b'\\xff', environ['QUERY_STRING'].encode()]"
    write(tmp_path, **{name: source})
    run = _run(tmp_path, "", url(query="a=1"), rest(query=[("a", "1")]), handler=f"{name}:app")
    assert _bodies(run) == [b"\xffa=1", b"\xffa=1"]


def test_a_plain_function_imports_nothing_of_this(tmp_path: Path) -> None:
    write(tmp_path, app="import sys\ndef handler(event, context): return sorted(sys.modules)")
    loaded = ours(tmp_path, Served("{}")).only.json()
    assert [name for name in loaded if ".web" in name or name in ("asyncio", "inspect", "urllib.parse")] == []


def test_wsgi_needs_no_event_loop(tmp_path: Path) -> None:
    source = "import sys\ndef app(environ, start):\n    start('200 OK', [])\n    return [repr('asyncio' in sys.modules)"
    source += ".encode()]\n"
    assert _bodies(_run(tmp_path, source, url())) == [b"False"]
