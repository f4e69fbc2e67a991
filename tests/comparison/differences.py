"""Where this runtime differs from awslambdaric: the rows of `differences.toml`, and what they excuse."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import tomllib

Parts = dict[str, tuple[bytes, ...]]

_BEFORE, _LENGTH = 60, 600
"""Bytes of a difference that are shown."""

_FILE = Path(__file__).with_name("differences.toml")


@dataclass(frozen=True)
class Seen:
    """Where a difference shows: in which cases, in which parts of what `told` tells; patterns both.

    `ours` and `theirs` are regular expressions for the whole of every value; what is not there is "".
    """

    cases: tuple[str, ...]
    parts: tuple[str, ...] = ("*",)
    ours: str = ".*"
    theirs: str = ".*"

    def is_about(self, case: str, part: str) -> bool:
        """Whether it speaks of this part of this case."""
        return _any_match(case, self.cases) and _any_match(part, self.parts)

    def excuses(self, ours: tuple[bytes, ...], theirs: tuple[bytes, ...]) -> bool:
        """Whether two values are such as it says."""
        return _all_are(self.ours, ours) and _all_are(self.theirs, theirs)


@dataclass(frozen=True)
class Row:
    """One difference: what readers are told, and where it shows. `not_yet`: ours cannot do this at all so far."""

    what: str
    awslambdaric: str
    here: str
    why: str
    seen: tuple[Seen, ...]
    not_yet: bool = False


def load() -> list[Row]:
    """The rows, in the order of the file; raises TypeError for a key that no row has."""
    return [Row(**{**row, "seen": tuple(map(_seen, row["seen"]))}) for row in tomllib.loads(_FILE.read_text())["row"]]


def _seen(table: dict[str, object]) -> Seen:
    return Seen(**{key: tuple(value) if isinstance(value, list) else value for key, value in table.items()})  # type: ignore[arg-type]


def markdown() -> str:
    """The table for the docs; what is not there yet is no difference to be told."""
    lines = ["| | awslambdaric | here | why |", "| --- | --- | --- | --- |"]
    lines += [f"| {row.what} | {row.awslambdaric} | {row.here} | {row.why} |" for row in load() if not row.not_yet]
    return "\n".join(lines) + "\n"


def unexplained(case: str, ours: Parts, theirs: Parts, rows: list[Row]) -> Iterator[str]:
    """What differs and has no row, and what has a row and does not differ; nothing if all is as it should be."""
    if any(row.not_yet and _any_match(case, seen.cases) for row in rows for seen in row.seen):
        if ours == theirs:
            yield "nothing differs, though a row says that this is not there yet"
        return
    parts = {part: (ours.get(part, ()), theirs.get(part, ())) for part in sorted({*ours, *theirs})}
    excused: set[str] = set()
    for row in rows:
        for seen in row.seen:
            about = [part for part in parts if seen.is_about(case, part)]
            found = {part for part in about if parts[part][0] != parts[part][1] and seen.excuses(*parts[part])}
            if about and not found:
                yield f"this does not differ, though a row says so: {row.what} ({', '.join(about)})"
            excused |= found
    for part, (mine, other) in parts.items():
        if mine != other and part not in excused:
            yield f"{part}\n{_shown(mine, other)}"


def _any_match(name: str, patterns: tuple[str, ...]) -> bool:
    # Brackets are letters here: the setting of a case's id stands in them.
    return any(fnmatchcase(name, pattern.replace("[", "[[]")) for pattern in patterns)


def _all_are(pattern: str, values: tuple[bytes, ...]) -> bool:
    return all(re.fullmatch(pattern, value.decode("utf-8", "replace"), re.DOTALL) for value in values or (b"",))


def _shown(ours: tuple[bytes, ...], theirs: tuple[bytes, ...]) -> str:
    """The first value that differs, from a little before the first byte that does."""
    number = _alike(ours, theirs)
    mine, other = (values[number] if number < len(values) else None for values in (ours, theirs))
    start = max(_alike(mine or b"", other or b"") - _BEFORE, 0)
    return "\n".join(
        f"  {name} [{number}]: {'(absent)' if value is None else repr(value[start : start + _LENGTH])[2:-1]}"
        for name, value in (("ours  ", mine), ("theirs", other))
    )


def _alike(one: Sequence[object], other: Sequence[object]) -> int:
    """How many items both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((number for number, (a, b) in pairs if a != b), min(len(one), len(other)))
