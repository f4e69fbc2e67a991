"""No endpoint and no row of the specification's tables is without a transcript."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from tests.conformance.steps import Ask, Expected
from tests.conformance.transcript import Transcript, exchanges, load_all

RUNTIME = "/2018-06-01/runtime"
EXTENSION = "/2020-01-01/extension"
INVOKE = "POST /2015-03-31/functions/function/invocations"
BAD_IDENTIFIER = (
    "403 Extension.MissingExtensionIdentifier",
    "403 Extension.InvalidExtensionIdentifier",
    "403 Extension.UnknownExtensionIdentifier",
)
ROWS = {
    "GET /2018-06-01/ping": ["200"],
    f"GET {RUNTIME}/invocation/next": ["200"],
    f"POST {RUNTIME}/invocation/ID/response": [
        "202",
        "400 InvalidRequestID",
        "403 InvalidStateTransition",
        "400 InvalidFunctionResponseMode",
        "413 RequestEntityTooLarge",
    ],
    f"POST {RUNTIME}/invocation/ID/error": ["202", "400 InvalidRequestID", "403 InvalidStateTransition"],
    f"POST {RUNTIME}/init/error": ["202", "403 InvalidStateTransition"],
    f"GET {RUNTIME}/restore/next": ["200", "404", "403 InvalidStateTransition"],
    f"POST {RUNTIME}/restore/error": ["202", "404", "403 InvalidStateTransition", "413 RequestEntityTooLarge"],
    "GET /2021-04-23/credentials": ["404"],
    f"POST {EXTENSION}/register": [
        "200",
        "404",
        "403 Extension.InvalidExtensionName",
        "403 InvalidRequestFormat",
        "403 Extension.InvalidEventType",
        "403 Extension.RegistrationClosed",
        "403 Extension.InvalidExtensionState",
        "403 Extension.TooManyExtensions",
    ],
    f"GET {EXTENSION}/event/next": ["200", "404", *BAD_IDENTIFIER, "403 Extension.InvalidExtensionState"],
    f"POST {EXTENSION}/init/error": [
        *("202", "404", "403 Extension.MissingHeader", *BAD_IDENTIFIER, "403 Extension.InvalidExtensionState"),
    ],
    f"POST {EXTENSION}/exit/error": [
        *("202", "404", "403 Extension.MissingHeader", *BAD_IDENTIFIER, "403 Extension.InvalidExtensionState"),
    ],
    "PUT /2022-07-01/telemetry": [
        *("200", "404", "400 ValidationError", *BAD_IDENTIFIER, "403 Telemetry.SubscriptionClosed"),
    ],
    "PUT /2020-08-15/logs": ["200", "404", *BAD_IDENTIFIER, "403 Logs.SubscriptionClosed"],
    INVOKE: [
        "200",
        "200 Runtime.ExitError",
        "200 Runtime.InvalidResponseModeHeader",
        "200 Runtime.TruncatedResponse",
        "200 Sandbox.Timedout",
        "200 Extension.Crash",
        "200 Extension.InitError",
        "200 Extension.ExitError",
        "200 Extension.LaunchError",
        "400 InvalidParameterValueException",
        "400 InvalidRequestContentException",
        "413 RequestTooLargeException",
    ],
    "GET /2015-03-31/functions/function/invocations": ["405 MethodNotAllowedException"],
}


def shown(transcript: Transcript, ask: Ask, gets: Expected) -> tuple[str, str]:
    """Endpoint, and status with error type, of one exchange."""

    def filled(text: str) -> str:
        return re.sub(r"\{(\w+)\}", lambda word: transcript.words.get(word[1], "ID"), text)

    asks = re.sub(r"/invocation/[^/]+/", "/invocation/ID/", filled(ask.asks))
    named = gets.headers.get("x-amzn-errortype", "")
    if isinstance(gets.json, dict):
        named = named or gets.json.get("errorType", "")
    elif gets.body and gets.body.startswith("{"):
        named = named or _named(gets.body)
    return asks, filled(f"{gets.status} {named}".strip())


def _named(body: str) -> str:
    try:
        document = json.loads(body)
    except ValueError:
        return ""
    return str(document.get("errorType", "")) if isinstance(document, dict) else ""


def everything_shown(on: str) -> Iterator[tuple[str, str]]:
    for transcript in load_all():
        if on in transcript.on:
            for exchange in exchanges([transcript]):
                yield shown(*exchange)


def test_every_row_is_shown_in_memory_and_over_tcp() -> None:
    wanted = {(endpoint, outcome) for endpoint, outcomes in ROWS.items() for outcome in outcomes}
    assert {on: sorted(wanted - set(everything_shown(on))) for on in ("memory", "tcp")} == {"memory": [], "tcp": []}


def test_there_are_enough_of_them() -> None:
    transcripts = load_all()
    assert len(transcripts) >= 120
    assert len({(transcript.topic, transcript.name) for transcript in transcripts}) == len(transcripts)


def test_most_of_them_are_checked_against_the_emulator() -> None:
    transcripts = load_all()
    assert sum("emulator" in transcript.on for transcript in transcripts) > len(transcripts) / 2


def test_every_word_of_a_row_is_used() -> None:
    unused = [(each.name, word) for each in load_all() for word in each.words if f"{{{word}}}" not in repr(each.steps)]
    assert unused == []
