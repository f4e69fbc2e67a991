"""Transcripts: who sends what, and what must come back, read from TOML.

A file has one topic: `on`, the targets of its transcripts; `[scenes]`, steps that several of them begin with (those of
`scenes.toml` are known to all files); and `[[transcript]]`s:

    name        a sentence
    on          targets, where they differ from the file's: memory, tcp, emulator
    env         environment variables of the server
    extensions  names of the external extensions that it starts
    broken      names of those whose file cannot be executed
    fresh       the server must be a new one, and is of no use afterwards
    each        rows of values for `{words}` in the steps; every row is a transcript of its own, called by its `name`
    steps       what happens, in order (see `steps.py`)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import tomllib

from tests.conformance.steps import (
    ACCEPTED,
    PARTIES,
    Absent,
    Ask,
    Await,
    Ends,
    Exits,
    Expected,
    Leaves,
    Starts,
    Step,
    Stops,
    Waits,
)
from tests.conformance.words import BadTranscript, Words

FOLDER = Path(__file__).parent
TARGETS = ("memory", "tcp", "emulator")


@dataclass(frozen=True)
class Transcript:
    """One conversation with a server."""

    topic: str
    name: str
    on: tuple[str, ...]
    env: Mapping[str, str]
    extensions: tuple[str, ...]
    broken: tuple[str, ...]
    fresh: bool
    words: Words
    steps: tuple[Step, ...]


def load_all() -> list[Transcript]:
    """Every transcript of this folder."""
    common = read(FOLDER / "scenes.toml").get("scenes", {})
    paths = sorted(path for path in FOLDER.glob("*.toml") if path.name != "scenes.toml")
    return [transcript for path in paths for transcript in parse(path.stem, read(path), common)]


def read(path: Path) -> dict[str, Any]:
    """A TOML file."""
    return tomllib.loads(path.read_text())


def parse(topic: str, document: Mapping[str, Any], common: Mapping[str, Any]) -> Iterator[Transcript]:
    """The transcripts of one document.

    Raises:
        BadTranscript: it has a word or a value that nobody understands.
    """
    _only(document, "on", "scenes", "transcript", where=topic)
    scenes = {**common, **document.get("scenes", {})}
    for table in document.get("transcript", []):
        name = f"{topic}: {table.get('name')}"
        _only(table, "name", "on", "env", "extensions", "broken", "fresh", "each", "steps", where=name)
        on = tuple(table.get("on", document.get("on", ())))
        if not on or not set(on) <= set(TARGETS):
            raise BadTranscript(f"{name}: on is {on!r}: expected some of {TARGETS}")
        try:
            steps = tuple(_steps(table["steps"], scenes))
        except (BadTranscript, KeyError, TypeError) as error:
            raise BadTranscript(f"{name}: {error!r}") from error
        extensions, broken = tuple(table.get("extensions", ())), tuple(table.get("broken", ()))
        fresh = bool(extensions or broken) or table.get("fresh", False)
        _check_awaited(name, steps, fresh)
        for row in table.get("each", [{}]):
            words = {key: str(value) for key, value in row.items() if key != "name"}
            title = f"{table['name']} ({row['name']})" if row else table["name"]
            yield Transcript(topic, title, on, table.get("env", {}), extensions, broken, fresh, words, steps)


def _steps(tables: Sequence[Mapping[str, Any]], scenes: Mapping[str, Any]) -> Iterator[Step]:
    for table in tables:
        if "play" in table:
            yield from _steps(scenes[table["play"]], scenes)
        else:
            yield _step(table)


def _step(table: Mapping[str, Any]) -> Step:
    more = dict(table)
    for word in ("gets", "emulator"):
        if word in more:
            more[word] = expected(more[word])
    if "as" in more:
        more["label"] = more.pop("as")
    if "who" in more:
        if more["who"] not in PARTIES and not more["who"].startswith("extension "):
            raise BadTranscript(f"nobody is called {more['who']!r}")
        return Ask(**more)
    for word, kind in {"await": Await, "waits": Waits, "leaves": Leaves}.items():
        if word in more:
            return kind(label=more.pop(word), **more)  # type: ignore[no-any-return]
    for word, kind in {"starts": Starts, "absent": Absent, "ends": Ends, "exits": Exits}.items():
        if word in more:
            return kind(party=more.pop(word), **more)  # type: ignore[no-any-return]
    if "stops" in more:
        return Stops(server=more.pop("stops"), **more)
    raise BadTranscript(f"no step begins with any of {sorted(table)}")


def expected(written: Any) -> Expected:
    """An expectation in any of its short forms."""
    if written == "accepted":
        return ACCEPTED
    if isinstance(written, int):
        return Expected(written)
    if isinstance(written, list):
        status, error_type, message = written
        body = f'{{"errorMessage":"{message}","errorType":"{error_type}"}}\n'
        return Expected(status, body=body, headers={"content-type": "application/json"})
    _only(written, *(each.name for each in fields(Expected)), where="gets")
    return Expected(**written)


def _check_awaited(name: str, steps: Sequence[Step], fresh: bool) -> None:
    """What is not awaited was not shown; and an invocation left open would disturb the next transcript."""
    for step in steps:
        if isinstance(step, Ask) and bool(step.label or step.cut) is bool(step.gets):
            raise BadTranscript(f"{name}: {step.asks}: expected one of as, cut, and gets")
        if isinstance(step, Ask) and step.label and (step.capture or step.emulator):
            raise BadTranscript(f"{name}: {step.asks}: its answer comes with the step that awaits {step.label}")
    parked = {step.label: step for step in steps if isinstance(step, Ask) and step.label}
    ended = {step.label for step in steps if isinstance(step, Await | Leaves)}
    seen = ended | {step.label for step in steps if isinstance(step, Waits)}
    if unknown := seen - parked.keys():
        raise BadTranscript(f"{name}: nothing is parked as {sorted(unknown)}")
    open_calls = [label for label, step in parked.items() if step.who == "caller" and label not in ended]
    if open_calls and not fresh:
        raise BadTranscript(f"{name}: {open_calls} is never awaited")


def _only(table: Mapping[str, Any], *known: str, where: str) -> None:
    if unknown := sorted(table.keys() - set(known)):
        raise BadTranscript(f"{where}: unknown {unknown}, expected {sorted(known)}")


def exchanges(transcripts: Iterable[Transcript]) -> Iterator[tuple[Transcript, Ask, Expected]]:
    """Each request with what it gets, at once or in a later step."""
    for transcript in transcripts:
        parked: dict[str, Ask] = {}
        for step in transcript.steps:
            if isinstance(step, Ask) and step.label:
                parked[step.label] = step
            elif isinstance(step, Ask) and step.gets:
                yield transcript, step, step.gets
            elif isinstance(step, Await):
                yield transcript, parked[step.label], step.gets
