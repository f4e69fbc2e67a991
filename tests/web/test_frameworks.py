"""The frameworks that functions are written with: unchanged, from every source of HTTP events."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.program import Program
from tests.web.events import Event, balancer, rest, url
from tests.web.support import ask, serving

STARLETTE = """
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

async def echo(request):
    body = await request.body()
    query, cookie = request.query_params.getlist("q"), request.cookies.get("c")
    response = JSONResponse({"who": request.path_params["who"], "q": query, "cookie": cookie, "size": len(body),
                             "url": str(request.url_for("image"))})
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response

async def image(request):
    return Response(bytes(range(256)), media_type="image/png")

app = Starlette(routes=[Route("/echo/{who}", echo, methods=["GET", "POST"]), Route("/image", image)])
"""

FASTAPI = """
from typing import Annotated
from fastapi import Cookie, FastAPI, Query, Request, Response

app = FastAPI()

@app.api_route("/echo/{who}", methods=["GET", "POST"])
async def echo(who: str, request: Request, response: Response, q: Annotated[list[str], Query()] = [],
               c: Annotated[str | None, Cookie()] = None):
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    size = len(await request.body())
    return {"who": who, "q": q, "cookie": c, "size": size, "url": str(request.url_for("image"))}

@app.get("/image")
def image():  # in a thread
    return Response(bytes(range(256)), media_type="image/png")
"""

FLASK = """
from flask import Flask, Response, jsonify, request, url_for

app = Flask(__name__)

@app.route("/echo/<who>", methods=["GET", "POST"])
def echo(who):
    response = jsonify(who=who, q=request.args.getlist("q"), cookie=request.cookies.get("c"),
                       size=len(request.get_data()), url=url_for("image", _external=True))
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response

@app.route("/image")
def image():
    return Response(bytes(range(256)), mimetype="image/png")
"""

DJANGO = """
import django
from django.conf import settings
from django.http import HttpResponse, JsonResponse
from django.urls import path, reverse

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="x", MIDDLEWARE=[],
                   DATA_UPLOAD_MAX_MEMORY_SIZE=None, SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"))
django.setup()

def echo(request, who):
    response = JsonResponse({"who": who, "q": request.GET.getlist("q"), "cookie": request.COOKIES.get("c"),
                             "size": len(request.body), "url": request.build_absolute_uri(reverse("image"))})
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response

def image(request):
    return HttpResponse(bytes(range(256)), content_type="image/png")

urlpatterns = [path("echo/<str:who>", echo), path("image", image, name="image")]
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
asgi, wsgi = get_asgi_application(), get_wsgi_application()
"""

APPLICATIONS = {
    "Starlette": (STARLETTE, "app:app"),
    "FastAPI": (FASTAPI, "app:app"),
    "Flask": (FLASK, "app:app"),
    "Django, ASGI": (DJANGO, "app:asgi"),
    "Django, WSGI": (DJANGO, "app:wsgi"),
}


@pytest.fixture(params=APPLICATIONS)
def program(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    source, name = APPLICATIONS[request.param]
    with serving(tmp_path, source, name) as program:
        yield program


URL = "https://id.lambda-url.us-east-1.on.aws"
API = "https://id.execute-api.us-east-1.amazonaws.com"
PATH = "/echo/%C3%A9%20x"
EVENTS: dict[str, tuple[Callable[..., Event], str]] = {
    "function URL": (lambda **m: url(path=PATH, query="q=1&q=%26", cookies=["c=3"], **m), f"{URL}/image"),
    "HTTP API with a stage": (
        lambda **m: url(path=f"/dev{PATH}", stage="dev", query="q=1&q=%26", cookies=["c=3"], **m),
        f"{URL}/dev/image",
    ),
    "REST API": (
        lambda **m: rest(path=PATH, stage="dev", query=[("q", "1"), ("q", "&")], headers=[("Cookie", "c=3")], **m),
        f"{API}/dev/image",
    ),
    "balancer with lists": (
        lambda **m: balancer(path=PATH, query=[("q", "1"), ("q", "%26")], headers=[("cookie", "c=3")], multi=True, **m),
        "http://lb.example/image",
    ),
}


def test_a_request_is_understood_and_its_response_is_whole(program: Program) -> None:
    for name, (make, link) in EVENTS.items():
        for event, size in ((make(), 0), (make(method="POST", body="é"), 2), (make(method="POST", body=bytes(9)), 9)):
            status, headers, body = ask(program, event)
            seen = json.loads(body)
            assert status == 200
            assert seen == {"who": "é x", "q": ["1", "&"], "cookie": "3", "size": size, "url": link}, name
            assert headers["content-type"].startswith("application/json")
            cookies = [value for value in program.invoke(event).json.get("cookies", []) if value]
            assert not cookies or [cookie.partition(";")[0] for cookie in cookies] == ["a=1", "b=2"]


def test_bytes_and_unknown_paths_and_large_bodies(program: Program) -> None:
    assert ask(program, url(path="/image"))[2] == bytes(range(256))
    assert ask(program, balancer(path="/image"))[1]["content-type"] == "image/png"
    assert ask(program, rest(path="/nowhere"))[0] == 404
    large = ask(program, url("POST", path="/echo/x", body=bytes(4_000_000)))
    assert json.loads(large[2])["size"] == 4_000_000


def test_without_lists_a_balancer_gets_every_cookie(program: Program) -> None:
    headers = program.invoke(balancer(path="/echo/x")).json["headers"]
    cookies = [value.partition(";")[0] for name, value in headers.items() if name.lower() == "set-cookie"]
    assert sorted(cookies) == ["a=1", "b=2"]
