"""The steps of a transcript: what the player does and what must come of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

PARTIES = ("caller", "runtime", "anyone")
"""Who may ask, besides `extension NAME`; `anyone` speaks to the Runtime API without being one of its processes."""


@dataclass(frozen=True)
class Expected:
    """What must come back; what is not said may be anything.

    Attributes:
        status: HTTP status.
        body: the whole body.
        json: what the body must have as JSON: objects may have more members, a text `~…` is a regular expression.
        keys: the names of the body's members, all and in this order.
        like: a regular expression that finds something in the body.
        size: bytes of the body.
        headers: by name in lower case: the value, `~…` for a regular expression, true or false for there or not.
    """

    status: int | None = None
    body: str | None = None
    json: Any = None
    keys: Sequence[str] | None = None
    like: str | None = None
    size: int | None = None
    headers: Mapping[str, str | bool] = field(default_factory=dict)


ACCEPTED = Expected(202, body='{"status":"OK"}\n', headers={"content-type": "application/json"})


@dataclass(frozen=True)
class Ask:
    """`{ who, asks = "METHOD /path", … }`: a request.

    Attributes:
        who: one of `PARTIES`, or `extension NAME`.
        asks: method and path.
        headers: of the request; a list of values repeats the header.
        body: text of the request's body.
        fill: a body of so many bytes, as a JSON text.
        chunked: the body is sent in chunks, with `trailers` behind them.
        cut: the client hangs up when so many bytes of the announced body are missing; nothing can come back.
        label: (`as`) the answer comes later, in a step that awaits this label.
        gets: what must come back: a status, a refusal `[status, type, message]`, "accepted", or `Expected`'s members.
        emulator: what AWS's emulator sends instead.
        capture: words by name, from `header:NAME` or `json:MEMBER.MEMBER`.
    """

    who: str
    asks: str
    headers: Mapping[str, str | list[str]] = field(default_factory=dict)
    body: str | None = None
    fill: int | str | None = None
    chunked: bool = False
    trailers: Mapping[str, str] = field(default_factory=dict)
    cut: int = 0
    label: str | None = None
    gets: Expected | None = None
    emulator: Expected | None = None
    capture: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Await:
    """`{ await = LABEL, gets … }`: the answer to a parked request comes now."""

    label: str
    gets: Expected
    emulator: Expected | None = None
    capture: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Waits:
    """`{ waits = LABEL }`: that request has not been answered by now."""

    label: str


@dataclass(frozen=True)
class Leaves:
    """`{ leaves = LABEL }`: the client of that request hangs up."""

    label: str


@dataclass(frozen=True)
class Starts:
    """`{ starts = PARTY }`: the server starts that process once more; its first start is part of its first step."""

    party: str


@dataclass(frozen=True)
class Absent:
    """`{ absent = PARTY }`: that process has not been started by now."""

    party: str


@dataclass(frozen=True)
class Ends:
    """`{ ends = PARTY }`: that process leaves, or the server ends it; `already`: it has by now."""

    party: str
    already: bool = False


@dataclass(frozen=True)
class Exits:
    """`{ exits = PARTY, status = N }`: that process leaves of itself; a status below zero is a signal's number."""

    party: str
    status: int | str


@dataclass(frozen=True)
class Stops:
    """`{ stops = "server" }`: the server is told to end."""

    server: str


Step = Ask | Await | Waits | Leaves | Starts | Absent | Ends | Exits | Stops
