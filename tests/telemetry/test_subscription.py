"""Bodies of both APIs: what is accepted, and what is refused with which words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rapid.core.errors import Refused
from rapid.telemetry.subscription import Api, Buffering, HttpDestination, Subscription, TcpDestination, parse

OWN_PORTS = (9001, 9000)


def body(**changed: Any) -> bytes:
    """A good body with some fields changed; `...` takes one away."""
    document = {
        "schemaVersion": "2022-12-13",
        "types": ["platform", "function"],
        "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:8080"},
    } | changed
    return json.dumps({key: value for key, value in document.items() if value is not ...}).encode()


def to(uri: object, **more: object) -> dict[str, object]:
    return {"protocol": "HTTP", "URI": uri} | more


def refused(api: Api, given: bytes) -> Refused:
    with pytest.raises(Refused) as caught:
        parse(api, given, OWN_PORTS)
    return caught.value


def test_what_samples_send() -> None:
    given = body(
        types=["platform", "function", "extension"],
        buffering={"maxItems": 1000, "maxBytes": 262144, "timeoutMs": 100},
        destination=to("http://sandbox.localdomain:8080", method="POST", encoding="JSON"),
        comment="fields that nobody knows are passed over",
    )
    assert parse(Api.TELEMETRY, given, OWN_PORTS) == Subscription(
        Api.TELEMETRY,
        "2022-12-13",
        ("platform", "function", "extension"),
        HttpDestination(8080, "/", "sandbox.localdomain:8080"),
        Buffering(1000, 262144, 100),
    )


def test_defaults() -> None:
    found = parse(Api.TELEMETRY, body(schemaVersion=...))
    assert (found.schema, found.buffering) == ("2022-07-01", Buffering(10_000, 262_144, 1_000))
    assert parse(Api.LOGS, body(schemaVersion=...)).schema == "2020-08-15"
    assert parse(Api.LOGS, body(schemaVersion=..., buffering={})).buffering == Buffering()


@pytest.mark.parametrize(
    ("api", "schema"),
    [
        (Api.TELEMETRY, "2022-07-01"),
        (Api.TELEMETRY, "2022-12-13"),
        (Api.TELEMETRY, "2025-01-29"),
        (Api.LOGS, "2020-08-15"),
        (Api.LOGS, "2021-03-18"),
    ],
)
def test_schema_versions(api: Api, schema: str) -> None:
    assert parse(api, body(schemaVersion=schema)).schema == schema


@pytest.mark.parametrize(
    ("uri", "destination"),
    [
        ("http://sandbox.localdomain:8080", HttpDestination(8080, "/", "sandbox.localdomain:8080")),
        ("http://sandbox:8999/", HttpDestination(8999, "/", "sandbox:8999")),
        ("http://SANDBOX.localdomain:80/a/b", HttpDestination(80, "/a/b", "sandbox.localdomain:80")),
        ("http://0.0.0.0:4243/x?y=1&z", HttpDestination(4243, "/x?y=1&z", "127.0.0.1:4243")),
        ("http://:8080/", HttpDestination(8080, "/", "127.0.0.1:8080")),
        ("http://localhost:8080/logs/", HttpDestination(8080, "/logs/", "localhost:8080")),
        ("http://127.0.0.1:8080?q=%20", HttpDestination(8080, "/?q=%20", "127.0.0.1:8080")),
        ("http://sandbox:8080/a#part", HttpDestination(8080, "/a", "sandbox:8080")),
    ],
)
def test_http_destinations(uri: str, destination: HttpDestination) -> None:
    assert parse(Api.TELEMETRY, body(destination=to(uri)), OWN_PORTS).destination == destination


@pytest.mark.parametrize(
    "destination",
    [
        {"protocol": "TCP", "port": 8080},
        {"protocol": "TCP", "port": 8080, "encoding": "JSON"},
        {"protocol": "TCP", "URI": "tcp://sandbox.localdomain:8080"},
        {"protocol": "TCP", "URI": "tcp://:8080"},
    ],
)
def test_tcp_destinations(destination: object) -> None:
    assert parse(Api.TELEMETRY, body(destination=destination)).destination == TcpDestination(8080)


def test_only_the_logs_api_may_put() -> None:
    given = body(schemaVersion=..., destination=to("http://sandbox:8080", method="PUT"))
    found = parse(Api.LOGS, given).destination
    assert isinstance(found, HttpDestination)
    assert found.method == "PUT"
    assert refused(Api.TELEMETRY, given).message == 'destination.method should be "POST", not "PUT"'


def test_a_type_named_twice_is_subscribed_to_once() -> None:
    assert parse(Api.TELEMETRY, body(types=["function", "platform", "function"])).types == ("function", "platform")


@pytest.mark.parametrize(
    ("field", "lowest", "highest"),
    [("maxItems", 1000, 10000), ("maxBytes", 262144, 1048576), ("timeoutMs", 25, 30000)],
)
def test_ranges_of_buffering(field: str, lowest: int, highest: int) -> None:
    for good in (lowest, highest):
        assert str(good) in str(parse(Api.TELEMETRY, body(buffering={field: good})).buffering)
    wrong: list[object] = [lowest - 1, highest + 1, -1, 0, 2**70, float(lowest), str(lowest), True, []]
    for bad in wrong:
        error = refused(Api.TELEMETRY, body(buffering={field: bad}))
        assert error.message.startswith(f"buffering.{field} should be an integer from {lowest} to {highest}, not ")


TYPES = '"platform", "function" or "extension"'
LOOPBACK = (
    "destination.URI should have the host sandbox.localdomain, for only this environment can be a destination, not "
)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"schemaVersion": "2021-03-18"},
            'schemaVersion should be "2022-07-01", "2022-12-13" or "2025-01-29", not "2021-03-18"',
        ),
        ({"schemaVersion": 2022}, 'schemaVersion should be "2022-07-01", "2022-12-13" or "2025-01-29", not 2022'),
        ({"types": ...}, f"types should be an array of {TYPES}, not missing"),
        ({"types": "platform"}, f'types should be an array of {TYPES}, not "platform"'),
        ({"types": []}, "types should not be empty"),
        ({"types": ["platform", "metrics"]}, f'types should be {TYPES}, not "metrics"'),
        ({"types": [["platform"]]}, f'types should be {TYPES}, not ["platform"]'),
        ({"buffering": 1000}, "buffering should be an object, not 1000"),
        ({"destination": ...}, "destination should be an object, not missing"),
        ({"destination": []}, "destination should be an object, not []"),
        ({"destination": {"URI": "http://sandbox:1"}}, 'destination.protocol should be "HTTP" or "TCP", not missing'),
        (
            {"destination": {"protocol": "UDP", "URI": "http://sandbox:1"}},
            'destination.protocol should be "HTTP" or "TCP", not "UDP"',
        ),
        (
            {"destination": {"protocol": "HTTP"}},
            "destination.URI should be an address such as http://sandbox.localdomain:8080, not missing",
        ),
        (
            {"destination": to("http://sandbox:99999")},
            'destination.URI should be an address such as http://sandbox.localdomain:8080, not "http://sandbox:99999"',
        ),
        (
            {"destination": to("http://sandbox:80\r\nX: y")},
            "destination.URI should be an address such as http://sandbox.localdomain:8080, "
            'not "http://sandbox:80\\r\\nX: y"',
        ),
        ({"destination": to("http://sandbox.localdomain")}, "URI port is not provided"),
        ({"destination": to("http://sandbox.localdomain:0/")}, "URI port is not provided"),
        (
            {"destination": to("https://sandbox:8080")},
            'destination.URI should begin with http://, not "https://sandbox:8080"',
        ),
        ({"destination": to("http://example.com:8080")}, LOOPBACK + '"example.com:8080"'),
        ({"destination": to("http://169.254.169.254:80")}, LOOPBACK + '"169.254.169.254:80"'),
        ({"destination": to("http://sandbox:8080@example.com:80")}, LOOPBACK + '"sandbox:8080@example.com:80"'),
        ({"destination": to("http://sandbox:80\\@example.com:80/")}, LOOPBACK + '"sandbox:80\\\\@example.com:80"'),
        ({"destination": to("http://me@sandbox:80/")}, LOOPBACK + '"me@sandbox:80"'),
        (
            {"destination": to("http://sandbox:9001/x")},
            "destination should have a port other than rapid's own, 9001",
        ),
        (
            {"destination": to("http://sandbox:80", encoding="XML")},
            'destination.encoding should be "JSON", not "XML"',
        ),
        (
            {"destination": {"protocol": "TCP", "port": 70000}},
            "destination.port should be an integer from 1 to 65535, not 70000",
        ),
        (
            {"destination": {"protocol": "TCP", "port": "80"}},
            'destination.port should be an integer from 1 to 65535, not "80"',
        ),
        (
            {"destination": {"protocol": "TCP", "port": 9000}},
            "destination should have a port other than rapid's own, 9000",
        ),
        (
            {"destination": {"protocol": "TCP", "URI": "http://sandbox:80"}},
            'destination.URI should begin with tcp://, not "http://sandbox:80"',
        ),
    ],
)
def test_what_is_wrong_is_named_with_what_was_expected(changed: dict[str, Any], message: str) -> None:
    error = refused(Api.TELEMETRY, body(**changed))
    assert (error.status, error.error_type, error.message) == (400, "ValidationError", message)


def test_all_that_is_wrong_is_told_at_once() -> None:
    given = body(schemaVersion=..., types=[], destination=to("http://sandbox"))
    error = refused(Api.LOGS, given)
    assert error.message == "URI port is not provided; types should not be empty"
    assert (error.status, error.error_type) == (400, "Logs.ValidationError")


@pytest.mark.parametrize(
    "given", [b"", b"{", b"\xff", b"nope", b'{"a": "\\ud800"}', b"[" * 100_000, b"[]", b"null", b"1", b'"{}"']
)
def test_bodies_that_are_no_json_object(given: bytes) -> None:
    assert refused(Api.TELEMETRY, given).message.startswith("request body ")


def test_a_long_value_is_shown_cut() -> None:
    assert len(refused(Api.TELEMETRY, body(types=["x" * 100_000])).message) < 200


def test_refusals_after_init() -> None:
    telemetry, logs = Api.TELEMETRY.subscription_closed(), Api.LOGS.subscription_closed()
    assert (telemetry.status, telemetry.error_type) == (403, "Telemetry.SubscriptionClosed")
    assert telemetry.message == "Telemetry API subscription is closed"
    assert (logs.status, logs.error_type) == (403, "Logs.SubscriptionClosed")
