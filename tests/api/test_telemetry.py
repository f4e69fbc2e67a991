"""The subscription calls of both APIs, in memory: who calls, what it asks for, what it is told."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from starlette.types import Message

from rapid.api.extensions import MAX_BODY_BYTES
from rapid.api.telemetry import LOGS, TELEMETRY, TelemetryApi
from rapid.core.errors import Refused
from rapid.telemetry.subscription import Api, Subscription

UUID = "01234567-89ab-4cde-8f01-23456789abcd"
UNKNOWN = "Extension.UnknownExtensionIdentifier"
PORT = 9001
GOOD = {"types": ["platform"], "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:8080"}}


class Asked:
    """An environment that keeps what it is asked, and refuses as told."""

    def __init__(self, refusal: Refused | None = None) -> None:
        self.subscriptions: list[tuple[str, Subscription]] = []
        self._refusal = refusal

    def check_extension(self, identifier: str) -> None:
        if self._refusal and self._refusal.error_type == UNKNOWN:
            raise self._refusal

    def subscribe(self, identifier: str, subscription: Subscription) -> None:
        if self._refusal:
            raise self._refusal
        self.subscriptions.append((identifier, subscription))


def put(
    environment: Asked, path: str = TELEMETRY, body: bytes | None = None, identifier: str | None = UUID
) -> tuple[int, dict[bytes, bytes], bytes]:
    """Status, headers and body of the answer; nothing when the client is told nothing."""
    headers = [] if identifier is None else [(b"lambda-extension-identifier", identifier.encode())]
    scope = {"type": "http", "method": "PUT", "path": path, "headers": headers}
    given = json.dumps(GOOD).encode() if body is None else body
    pieces: list[Message] = [
        {"type": "http.request", "body": given[:10], "more_body": True},
        {"type": "http.request", "body": given[10:], "more_body": False},
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return pieces.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    (face,) = [
        serve for method, at, serve in TelemetryApi(environment, [PORT]).faces() if (method, at) == ("PUT", path)
    ]
    asyncio.run(face(scope, receive, send))  # type: ignore[arg-type]
    start, end = sent
    return start["status"], dict(start["headers"]), end["body"]


def refused(*args: Any, **named: Any) -> tuple[int, str]:
    environment = Asked()
    with pytest.raises(Refused) as caught:
        put(environment, *args, **named)
    assert environment.subscriptions == [], "a refused call changes nothing"
    return caught.value.status, caught.value.error_type


@pytest.mark.parametrize(
    ("path", "api", "schema"),
    [
        (TELEMETRY, Api.TELEMETRY, "2022-07-01"),
        (f"{TELEMETRY}/", Api.TELEMETRY, "2022-07-01"),
        (LOGS, Api.LOGS, "2020-08-15"),
        (f"{LOGS}/", Api.LOGS, "2020-08-15"),
    ],
)
def test_a_subscription_is_answered_as_aws_does(path: str, api: Api, schema: str) -> None:
    environment = Asked()
    status, headers, body = put(environment, path)
    assert (status, headers[b"content-type"], body) == (200, b"application/json", b'"OK"')
    assert headers[b"content-length"] == b"4"
    ((identifier, subscription),) = environment.subscriptions
    assert identifier == UUID
    assert (subscription.api, subscription.schema, subscription.types) == (api, schema, ("platform",))


@pytest.mark.parametrize("path", [TELEMETRY, LOGS])
@pytest.mark.parametrize(
    ("identifier", "error_type"),
    [
        (None, "Extension.MissingExtensionIdentifier"),
        ("", "Extension.MissingExtensionIdentifier"),
        ("mine", "Extension.InvalidExtensionIdentifier"),
        (UUID + "0", "Extension.InvalidExtensionIdentifier"),
    ],
)
def test_who_calls_is_asked_first(path: str, identifier: str | None, error_type: str) -> None:
    assert refused(path, b"not JSON", identifier) == (403, error_type)


@pytest.mark.parametrize(("path", "error_type"), [(TELEMETRY, "ValidationError"), (LOGS, "Logs.ValidationError")])
@pytest.mark.parametrize("body", [b"", b"nope", b"[]", b"{}", json.dumps(GOOD | {"types": []}).encode()])
def test_a_bad_body_is_a_validation_error(path: str, error_type: str, body: bytes) -> None:
    assert refused(path, body) == (400, error_type)


def test_events_cannot_go_to_the_runtime_api_itself() -> None:
    loop = GOOD | {"destination": {"protocol": "HTTP", "URI": f"http://sandbox:{PORT}"}}
    assert refused(TELEMETRY, json.dumps(loop).encode()) == (400, "ValidationError")


def test_a_body_without_end_is_not_read() -> None:
    assert refused(TELEMETRY, b" " * (MAX_BODY_BYTES + 1)) == (413, "RequestEntityTooLarge")


@pytest.mark.parametrize("api", Api)
def test_what_the_environment_refuses_is_passed_on(api: Api) -> None:
    refusal = api.subscription_closed()
    with pytest.raises(Refused) as caught:
        put(Asked(refusal))
    assert caught.value is refusal


def test_an_unknown_extension_is_told_so_whatever_it_asks_for() -> None:
    environment = Asked(Refused(403, UNKNOWN, "Unknown extension"))
    with pytest.raises(Refused, match=UNKNOWN):
        put(environment, body=b"not JSON")
