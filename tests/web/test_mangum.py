"""Mangum is the oracle for what an application sees of an event, and what becomes of its response."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.harness import Event as Served
from tests.runtime.harness import ours, write
from tests.support.program import ROOT
from tests.web.events import Event, balancer, received, rest, url

ECHO = """
import json
from mangum import Mangum

async def app(scope, receive, send):
    assert scope["type"] == "http"
    assert scope.pop("aws.context").aws_request_id and scope.pop("aws.event")["requestContext"]
    scope["body"] = (await receive())["body"]
    text = json.dumps(scope, default=lambda value: value.decode("latin-1"))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": text.encode()})

handler = Mangum(app)
"""

ANSWER = """
from mangum import Mangum

ANSWERS = ANSWERS_

async def app(scope, receive, send):
    assert scope["type"] == "http"
    status, headers, pieces = ANSWERS[int(scope["path"][1:])]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body"})

handler = Mangum(app)
"""

ALWAYS = {"raw_path", "asgi"}
UNICODE = "/caf%C3%A9/a%20b%2Fc"
ODD_HEADERS = [("Accept", "a"), ("Accept", "b"), ("X-Empty", "")]

REQUESTS: dict[str, tuple[Event, set[str]]] = {
    "url": (url(), set()),
    "url, query": (url(query="a=1&a=2&b=%20%C3%A9+x&c=&d", path="/p"), set()),
    "url, path": (url(path=UNICODE), set()),
    "url, cookies": (url(cookies=["a=1", "b=2; c"]), set()),
    "url, joined headers": (url(headers={"accept": "a,b", "x-é": "ü"}), set()),
    "url, text": (url("POST", body="hé\n", headers={"content-type": "text/plain"}), set()),
    "url, bytes": (url("PUT", body=bytes(range(256))), set()),
    "url, port": (url(headers={"host": "localhost:3000"}), set()),
    "url, http": (url(headers={"x-forwarded-proto": "http", "x-forwarded-port": "80"}), set()),
    "url, no port": (url(headers={"x-forwarded-port": ""} | {"host": "a.example:443"}), set()),
    "HTTP API, stage": (url(path="/dev/x", stage="dev"), {"root_path"}),
    "HTTP API, HTTP/2": (
        url()
        | {
            "requestContext": {
                **url()["requestContext"],
                "http": {**url()["requestContext"]["http"], "protocol": "HTTP/2.0"},
            }
        },
        {"http_version"},
    ),
    "HTTP API 1.0": (rest(path="/dev/x", version="1.0", query=[("a", "1")]), set()),
    "HTTP API 1.0, stage": (
        rest(path="/dev/x", version="1.0")
        | {"requestContext": {"path": "/dev/x", "stage": "dev", "identity": {"sourceIp": "192.0.2.1"}}},
        {"root_path"},
    ),
    "REST": (rest(), set()),
    "REST, stage": (rest(path="/x", stage="dev"), {"path", "root_path"}),
    "REST, query": (rest(query=[("a", "1"), ("a", "2 3"), ("b", "é&="), ("c", "")]), set()),
    "REST, single query": (rest() | {"queryStringParameters": {"a": "1"}}, set()),
    "REST, path": (rest(path=UNICODE), set()),
    "REST, cookie": (rest(headers=[("Cookie", "a=1; b=2")]), set()),
    "REST, headers sent twice": (rest(headers=ODD_HEADERS), {"headers"}),
    "REST, single headers": (rest() | {"multiValueHeaders": None}, set()),
    "REST, text": (rest("POST", body="hé"), set()),
    "REST, bytes": (rest("POST", body=b"\xff\x00"), set()),
    "REST, no host": (rest() | {"multiValueHeaders": None, "headers": None}, {"server"}),
    "balancer": (balancer(), set()),
    "balancer, query": (balancer(query=[("a", "1"), ("b%20c", "%C3%A9+%26")]), set()),
    "balancer, proxies": (balancer(headers=[("x-forwarded-for", "198.51.100.7, 192.0.2.1")]), {"client"}),
    "balancer, bytes": (balancer("POST", body=b"\xff"), set()),
    "balancer, path": (balancer(path=UNICODE), set()),
    "balancer, lists": (balancer(multi=True, headers=[("accept", "a"), ("accept", "b")]), set()),
    "balancer, lists, query": (balancer(multi=True, query=[("a", "1"), ("a", "%20")]), set()),
    "balancer, cookies": (balancer(multi=True, headers=[("cookie", "a=1"), ("cookie", "b=2")]), {"headers"}),
    "balancer, no client": (balancer() | {"headers": {"host": "lb.example", "x-forwarded-port": "80"}}, {"client"}),
}

Answer = tuple[int, list[tuple[bytes, bytes]], list[bytes]]
PLAIN = (b"Content-Type", b"text/plain")
SETS = [(b"set-cookie", b"a=1; Path=/"), (b"Set-Cookie", b"b=2"), (b"set-cookie", b"c=3")]
ANSWERS: dict[str, tuple[Answer, set[str]]] = {
    "text": ((200, [PLAIN], [b"hi ", "hé".encode()]), set()),
    "JSON": ((201, [(b"content-type", b"application/json")], [b"{}"]), set()),
    "bytes": ((200, [(b"content-type", b"image/png")], [b"\x89PNG\0\xff"]), set()),
    "bytes called text": ((200, [PLAIN], [b"\xff\xfe"]), set()),
    "compressed": ((200, [PLAIN, (b"content-encoding", b"gzip")], [b"\x1f\x8b\x08\x00"]), set()),
    "cookies": ((200, [PLAIN, *SETS], [b""]), set()),
    "header twice": ((200, [PLAIN, (b"vary", b"a"), (b"Vary", b"b")], [b"x"]), set()),
    "empty": ((204, [PLAIN], []), set()),
    "letters": ((200, [PLAIN, (b"x-name", "ü".encode())], [b"x"]), set()),
    "error status": ((418, [PLAIN], [b"teapot"]), set()),
    "no content type": ((200, [(b"x", b"y")], []), {"no content type"}),
    "text of other types": ((200, [(b"content-type", b"application/yaml")], [b"a: 1"]), {"base64"}),
    "NUL": ((200, [PLAIN], [b"a\0b"]), {"base64"}),
    "Latin-1": ((200, [PLAIN, (b"x-name", b"\xfc")], [b"x"]), {"letters in headers"}),
}
CARRIERS: dict[str, Callable[..., Event]] = {
    "url": url,
    "rest": rest,
    "balancer": balancer,
    "balancer, lists": lambda **k: balancer(multi=True, **k),
}


def _results(task: Path, handler: str, events: list[Event]) -> list[Any]:
    run = ours(task, *(Served(json.dumps(event)) for event in events), handler=handler)
    assert len(run.posts) == len(events), run.stdout + run.stderr
    return [post.json() for post in run.posts]


def _scope(result: Event) -> Event:
    scope: Event = json.loads(received(result)[2])
    return {**scope, "headers": sorted(scope["headers"]), "client": scope["client"] and tuple(scope["client"])}


def test_an_application_sees_what_it_sees_under_mangum(tmp_path: Path) -> None:
    write(tmp_path, app=ECHO)
    events = [event for event, _differ in REQUESTS.values()]
    pairs = zip(_results(tmp_path, "app:app", events), _results(tmp_path, "app.handler", events), strict=True)
    differ: dict[str, set[str]] = {}
    for name, (mine, other) in zip(REQUESTS, pairs, strict=True):
        here, there = _scope(mine), _scope(other)
        assert here.keys() == there.keys()
        differ[name] = {key for key in here if here[key] != there[key]}
    assert differ == {name: keys | ALWAYS for name, (_event, keys) in REQUESTS.items()}


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_response_is_what_it_is_under_mangum(tmp_path: Path, carrier: str) -> None:
    write(tmp_path, app=ANSWER.replace("ANSWERS_", repr([answer for answer, _differ in ANSWERS.values()])))
    events = [CARRIERS[carrier](path=f"/{number}") for number in range(len(ANSWERS))]
    pairs = zip(_results(tmp_path, "app:app", events), _results(tmp_path, "app.handler", events), strict=True)
    for (name, (_answer, differ)), (mine, other) in zip(ANSWERS.items(), pairs, strict=True):
        alike = mine == other
        if differ == {"no content type"}:
            assert alike == (carrier != "url"), name  # only there Mangum adds one
        else:
            assert alike == (not differ), (name, mine, other)
        if differ == {"base64"}:
            assert received(mine) == received(other)


def test_the_documentation_has_every_difference() -> None:
    page = (ROOT / "docs" / "asgi.md").read_text()
    table = page.partition("<!-- table: mangum -->\n")[2].partition("<!-- end -->")[0]
    rows = set(re.findall(r"^\| `?([^|`]+?)`? \|", table, re.MULTILINE)) - {"", "---"}
    differ = ALWAYS.union(*(keys for _event, keys in REQUESTS.values()), *(keys for _answer, keys in ANSWERS.values()))
    assert rows == differ
