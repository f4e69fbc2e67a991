"""Events of HTTP requests as AWS's documentation shows them, shortened to what matters."""

from __future__ import annotations

import base64
from typing import Any

Event = dict[str, Any]
Pairs = list[tuple[str, str]]


def url(
    method: str = "GET",
    path: str = "/",
    query: str = "",
    headers: dict[str, str] | None = None,
    cookies: list[str] | None = None,
    body: str | bytes | None = None,
    stage: str = "$default",
    **more: Any,
) -> Event:
    """A function URL's, and an HTTP API's: payload format 2.0."""
    http = {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "test"}
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"host": "id.lambda-url.us-east-1.on.aws", "x-forwarded-proto": "https", "x-forwarded-port": "443"}
        | (headers or {}),
        "requestContext": {"http": http, "stage": stage, "domainName": "id.lambda-url.us-east-1.on.aws"},
        **_body(body),
        **more,
    }
    return event | ({"cookies": cookies} if cookies else {})


def rest(
    method: str = "GET",
    path: str = "/",
    query: Pairs = [],  # noqa: B006 - nobody changes it
    headers: Pairs = [],  # noqa: B006
    body: str | bytes | None = None,
    stage: str = "",
    **more: Any,
) -> Event:
    """A REST API's; `stage`: as it is when called by the name that AWS gives it."""
    told = [("Host", "id.execute-api.us-east-1.amazonaws.com"), ("X-Forwarded-Proto", "https")]
    every = [*told, ("X-Forwarded-Port", "443"), *headers]
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": dict(every),
        "multiValueHeaders": _lists(every),
        "queryStringParameters": dict(query) or None,
        "multiValueQueryStringParameters": _lists(query) or None,
        "requestContext": {
            "path": f"/{stage}{path}" if stage else path,
            "stage": stage or "prod",
            "protocol": "HTTP/1.1",
            "identity": {"sourceIp": "192.0.2.1"},
        },
        **_body(body),
        **more,
    }


def balancer(
    method: str = "GET",
    path: str = "/",
    query: Pairs = [],  # noqa: B006
    headers: Pairs = [],  # noqa: B006
    body: str | bytes | None = "",
    multi: bool = False,
) -> Event:
    """A load balancer's; `multi`: the target group has multi-value headers enabled. The query is not decoded."""
    told = [("host", "lb.example"), ("x-forwarded-proto", "http"), ("x-forwarded-port", "80")]
    every = [*told, ("x-forwarded-for", "192.0.2.1"), *headers]
    return {
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/t/1"}},
        "httpMethod": method,
        "path": path,
        **({"multiValueHeaders": _lists(every)} if multi else {"headers": dict(every)}),
        **({"multiValueQueryStringParameters": _lists(query)} if multi else {"queryStringParameters": dict(query)}),
        **_body(body),
    }


def _lists(pairs: Pairs) -> dict[str, list[str]]:
    lists: dict[str, list[str]] = {}
    for name, value in pairs:
        lists.setdefault(name, []).append(value)
    return lists


def _body(body: str | bytes | None) -> Event:
    if isinstance(body, bytes):
        return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
    return {"body": body, "isBase64Encoded": False}


def received(result: Event) -> tuple[int, Pairs, bytes]:
    """What a client sees of a result, whichever of them reads it: status, headers (names in lower case), body."""
    body = result.get("body") or ""
    pairs = [(name.lower(), value) for name, value in (result.get("headers") or {}).items()]
    pairs += [
        (name.lower(), value) for name, values in (result.get("multiValueHeaders") or {}).items() for value in values
    ]
    pairs += [("set-cookie", value) for value in result.get("cookies") or []]
    return result["statusCode"], sorted(pairs), base64.b64decode(body) if result["isBase64Encoded"] else body.encode()
