"""What an extension asks for when it subscribes: the bodies of both APIs' PUT, checked.

All that is wrong with a body is told at once, in sentences joined by `; `, as AWS's example of an error does it.

Sources: AWS developer guide, "Lambda Telemetry API reference" and "Using the Lambda Logs API".
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.parse import SplitResult, urlsplit

import msgspec

from rapid.core.errors import Refused
from rapid.telemetry.events import SCHEMAS
from rapid.telemetry.logs_events import LOGS_SCHEMAS

TYPES = ("platform", "function", "extension")

LOOPBACK_NAMES = ("", "sandbox.localdomain", "sandbox", "0.0.0.0", "localhost", "127.0.0.1")
"""Hosts of a URI, all of which mean this environment; AWS documents the first two that are names."""


class Api(Enum):
    """The two subscription APIs, with what is different in their bodies.

    Attributes:
        title: AWS's name.
        closed: error type after init.
        invalid: error type of a bad body.
        schemas: schema versions, the first is the default.
        methods: HTTP methods of delivery, the first is the default.
    """

    TELEMETRY = ("Telemetry API", "Telemetry.SubscriptionClosed", "ValidationError", SCHEMAS, ("POST",))
    LOGS = ("Logs API", "Logs.SubscriptionClosed", "Logs.ValidationError", LOGS_SCHEMAS, ("POST", "PUT"))

    def __init__(
        self, title: str, closed: str, invalid: str, schemas: tuple[str, ...], methods: tuple[str, ...]
    ) -> None:
        self.title = title
        self.closed = closed
        self.invalid = invalid
        self.schemas = schemas
        self.methods = methods

    def subscription_closed(self) -> Refused:
        """The refusal of a subscription after the init phase."""
        return Refused(403, self.closed, f"{self.title} subscription is closed")

    def validation_error(self, message: str) -> Refused:
        """The refusal of a bad body."""
        return Refused(400, self.invalid, message)


@dataclass(frozen=True, slots=True)
class HttpDestination:
    """A listener on loopback that takes JSON arrays.

    Attributes:
        port: its port.
        target: path and query, at least `/`.
        authority: host and port as the extension wrote them, for the Host header.
        method: `POST` or `PUT`.
    """

    port: int
    target: str
    authority: str
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class TcpDestination:
    """A listener on loopback that takes newline-delimited JSON."""

    port: int


@dataclass(frozen=True, slots=True)
class Buffering:
    """When a batch is sent: at so many events, bytes, or milliseconds after its first event."""

    max_items: int = 10_000
    max_bytes: int = 262_144
    timeout_ms: int = 1_000


@dataclass(frozen=True, slots=True)
class Subscription:
    """One extension's subscription.

    Attributes:
        api: through which API.
        schema: schema version of that API.
        types: the streams asked for, each once, in the order asked for.
        destination: where events go.
        buffering: how they are put into batches.
    """

    api: Api
    schema: str
    types: tuple[str, ...]
    destination: HttpDestination | TcpDestination
    buffering: Buffering = Buffering()


_RANGES = {"maxItems": (1_000, 10_000), "maxBytes": (262_144, 1_048_576), "timeoutMs": (25, 30_000)}


def parse(api: Api, body: bytes, own_ports: Collection[int] = ()) -> Subscription:
    """The subscription that a body asks for. Fields that nobody knows are passed over.

    Args:
        api: whose body it is.
        body: JSON.
        own_ports: the server's, which cannot be a destination: an event that makes events has no end.

    Raises:
        Refused: 400, with all that is wrong.
    """
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise api.validation_error(f"request body is not valid JSON: {error}") from None
    if not isinstance(document, dict):
        raise api.validation_error(f"request body should be a JSON object, not {_shown(document)}")
    return _Reader(api, own_ports).read(document)


class _Reader:
    """Reads one body and gathers what is wrong with it."""

    def __init__(self, api: Api, own_ports: Collection[int]) -> None:
        self._api = api
        self._own_ports = own_ports
        self._wrong: list[str] = []

    def read(self, document: dict[str, Any]) -> Subscription:
        schema = self._schema(document.get("schemaVersion"))
        destination = self._destination(document.get("destination"))
        types = self._types(document.get("types"))
        buffering = self._buffering(document.get("buffering"))
        if self._wrong or destination is None:
            raise self._api.validation_error("; ".join(self._wrong))
        return Subscription(self._api, schema, types, destination, buffering)

    def _schema(self, given: object) -> str:
        if given is None:
            return self._api.schemas[0]
        return self._one_of("schemaVersion", given, self._api.schemas)

    def _one_of(self, field: str, given: object, allowed: tuple[str, ...]) -> str:
        if isinstance(given, str) and given in allowed:
            return given
        self._wrong.append(f"{field} should be {_either(allowed)}, not {_shown(given)}")
        return allowed[0]

    def _types(self, given: object) -> tuple[str, ...]:
        if not isinstance(given, list):
            self._wrong.append(f"types should be an array of {_either(TYPES)}, not {_shown(given)}")
            return ()
        if not given:
            self._wrong.append("types should not be empty")
        return tuple(dict.fromkeys(self._one_of("types", kind, TYPES) for kind in given))

    def _buffering(self, given: object) -> Buffering:
        if given is None:
            return Buffering()
        if not isinstance(given, dict):
            self._wrong.append(f"buffering should be an object, not {_shown(given)}")
            return Buffering()
        default = Buffering()
        return Buffering(
            self._number(given, "maxItems", default.max_items),
            self._number(given, "maxBytes", default.max_bytes),
            self._number(given, "timeoutMs", default.timeout_ms),
        )

    def _number(self, buffering: dict[str, Any], field: str, default: int) -> int:
        given = buffering.get(field)
        if given is None:
            return default
        lowest, highest = _RANGES[field]
        if type(given) is int and lowest <= given <= highest:
            return given
        expected = f"an integer from {lowest} to {highest}"
        self._wrong.append(f"buffering.{field} should be {expected}, not {_shown(given)}")
        return default

    def _destination(self, given: object) -> HttpDestination | TcpDestination | None:
        if not isinstance(given, dict):
            self._wrong.append(f"destination should be an object, not {_shown(given)}")
            return None
        protocol = self._one_of("destination.protocol", given.get("protocol"), ("HTTP", "TCP"))
        self._encoding(given.get("encoding"))
        if protocol == "TCP" and given.get("port") is not None:
            port = given["port"]
            if type(port) is int and 0 < port < 65536:
                return TcpDestination(self._not_ours(port))
            self._wrong.append(f"destination.port should be an integer from 1 to 65535, not {_shown(port)}")
            return None
        method = self._method(given.get("method")) if protocol == "HTTP" else ""
        uri = self._uri(given.get("URI"), protocol)
        if uri is None:
            return None
        split, port = uri
        if protocol == "TCP":
            return TcpDestination(port)
        query = f"?{split.query}" if split.query else ""
        host = split.hostname if split.hostname not in (None, "0.0.0.0") else "127.0.0.1"
        return HttpDestination(port, f"{split.path or '/'}{query}", f"{host}:{port}", method)

    def _method(self, given: object) -> str:
        methods = self._api.methods
        return methods[0] if given is None else self._one_of("destination.method", given, methods)

    def _encoding(self, given: object) -> None:
        if given is not None:
            self._one_of("destination.encoding", given, ("JSON",))

    def _uri(self, given: object, protocol: str) -> tuple[SplitResult, int] | None:
        """The URI's parts and its port. Nothing may be sent off the machine, so its host must mean loopback."""
        example = f"such as {'http' if protocol == 'HTTP' else 'tcp'}://sandbox.localdomain:8080"
        try:
            if not isinstance(given, str) or not given.isascii() or not given.isprintable() or " " in given:
                raise ValueError
            split = urlsplit(given)
            port = split.port
        except ValueError:
            self._wrong.append(f"destination.URI should be an address {example}, not {_shown(given)}")
            return None
        wrong = len(self._wrong)
        if split.scheme != protocol.lower():
            self._wrong.append(f"destination.URI should begin with {protocol.lower()}://, not {_shown(given)}")
        elif split.username is not None or (split.hostname or "") not in LOOPBACK_NAMES:
            expected = "the host sandbox.localdomain, for only this environment can be a destination"
            self._wrong.append(f"destination.URI should have {expected}, not {_shown(split.netloc)}")
        if not port:
            self._wrong.append("URI port is not provided")
            return None
        self._not_ours(port)
        return (split, port) if len(self._wrong) == wrong else None

    def _not_ours(self, port: int) -> int:
        if port in self._own_ports:
            self._wrong.append(f"destination should have a port other than rapid's own, {port}")
        return port


def _either(allowed: tuple[str, ...]) -> str:
    *most, last = (f'"{value}"' for value in allowed)
    return f"{', '.join(most)} or {last}" if most else last


def _shown(given: object) -> str:
    """A value for a message, cut short."""
    text = msgspec.json.encode(given).decode()
    return "missing" if given is None else text if len(text) <= 80 else f"{text[:80]}…"
