"""Compares what came back with what must."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.conformance.steps import Expected
from tests.conformance.words import Words, fill_in
from tests.support.program import Reply

MISSING = object()


def differences(expected: Expected, reply: Reply, words: Words) -> list[str]:
    """What is not as expected, a sentence each."""
    return list(_differences(expected, reply, words))


def _differences(expected: Expected, reply: Reply, words: Words) -> Iterator[str]:
    if expected.status is not None and reply.status != expected.status:
        yield f"status is {reply.status}, expected {expected.status}"
    for name, value in fill_in(expected.headers, words).items():
        yield from _header(name, value, reply.headers)
    if expected.size is not None and len(reply.body) != expected.size:
        yield f"body has {len(reply.body)} bytes, expected {expected.size}"
    text = reply.body.decode("utf-8", "replace")
    if expected.body is not None and text != (wanted := fill_in(expected.body, words)):
        yield f"body is {text[:1000]!r}, expected {wanted!r}"
    if expected.like is not None and not re.search(wanted := fill_in(expected.like, words, escape=True), text):
        yield f"body is {text[:1000]!r}, expected something like {wanted!r}"
    if expected.json is not None or expected.keys is not None:
        try:
            document = json.loads(reply.body)
        except ValueError:
            yield f"body is {text[:1000]!r}, expected JSON"
            return
        if expected.json is not None:
            yield from _json("body", fill_in(expected.json, words), document)
        if expected.keys is not None and list(document) != list(expected.keys):
            yield f"members are {list(document)}, expected {list(expected.keys)}"


def _header(name: str, value: str | bool, headers: Mapping[str, str]) -> Iterator[str]:
    found = headers.get(name)
    if isinstance(value, bool):
        if value is not (found is not None):
            yield f"header {name} is {found!r}, expected {'one' if value else 'none'}"
    elif found is None or not _matches(value, found):
        yield f"header {name} is {found!r}, expected {value!r}"


def _json(where: str, expected: Any, found: Any) -> Iterator[str]:
    if isinstance(expected, Mapping):
        if not isinstance(found, dict):
            yield f"{where} is {found!r}, expected an object"
            return
        for key, value in expected.items():
            yield from _json(f"{where}.{key}", value, found.get(key, MISSING))
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for index, (one, other) in enumerate(zip(expected, found, strict=True)):
            yield from _json(f"{where}[{index}]", one, other)
    elif found is MISSING:
        yield f"{where} is not there, expected {expected!r}"
    elif isinstance(expected, str) and not isinstance(found, dict | list):
        if not _matches(expected, found):
            yield f"{where} is {found!r}, expected {expected!r}"
    elif type(expected) is not type(found) or expected != found:
        yield f"{where} is {found!r}, expected {expected!r}"


def _matches(expected: str, found: Any) -> bool:
    if expected.startswith("~"):
        return re.search(expected[1:], str(found)) is not None
    return bool(expected == found)


def captured(source: str, reply: Reply) -> str:
    """The value that `header:NAME` or `json:MEMBER.MEMBER` names.

    Raises:
        AssertionError: it is not there.
    """
    kind, _, name = source.partition(":")
    value: Any = reply.headers.get(name) if kind == "header" else json.loads(reply.body)
    if kind == "json":
        for member in name.split("."):
            value = value.get(member) if isinstance(value, dict) else None
    assert value is not None, f"no {source} to capture in {reply}"
    return str(value)
