"""An error as a page for whoever sits at the terminal: what was raised, where in the function, and for which event.

Text from facts; what it shows of files comes through `Files`. Nothing of it goes into the log.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rapid.core.invocation import Invocation, Outcome
from rapid.telemetry.error_hints import About, Files, hint

MAX_FRAMES = 5
BEFORE, AFTER = 3, 2
"""Lines of source around the failing one."""

EVENT_LINES, EVENT_CHARACTERS = 24, 1600
MESSAGE_LINES, MESSAGE_CHARACTERS = 24, 2000
MAX_PARSED = 64 * 1024
"""Bytes of an event that is put in order before it is cut; a longer one is cut as it came."""

_FRAME = re.compile(r'\s*File "(?P<file>.+?)",? [Ll]ine (?P<line>\d+)(?:, in (?P<name>.+))?')
_NOT_THE_USERS = re.compile(r"/(site|dist)-packages/|/lib(64)?/python\d[\d.]*/|^<")
_PLATFORM = re.compile(r"^(RequestId: \S+ )?Error: ")


@dataclass(frozen=True, slots=True)
class Style:
    """What the terminal is like: its width in characters, and whether it is to be given colours."""

    width: int = 80
    colours: bool = False

    def red(self, text: str) -> str:
        """The failure."""
        return self._dressed(text, "1;31")

    def bold(self, text: str) -> str:
        """A place."""
        return self._dressed(text, "1")

    def dim(self, text: str) -> str:
        """What stands around."""
        return self._dressed(text, "2")

    def cut(self, text: str) -> str:
        """A line that fits."""
        return text if len(text) <= self.width else text[: self.width - 1] + "…"

    def _dressed(self, text: str, codes: str) -> str:
        return f"\x1b[{codes}m{text}\x1b[0m" if self.colours and text else text


@dataclass(frozen=True, slots=True)
class Frame:
    """A call in a stack trace; `line` counts from 1, `text` is its source as the trace has it."""

    file: str
    line: int
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Failure:
    """What an error document says.

    Attributes:
        error_type: e.g. `KeyError`, `Sandbox.Timedout`.
        message: without the platform's request id in front.
        frames: the calls that lead to it, the innermost last.
        trace: the same as it is written, for runtimes of other languages.
    """

    error_type: str
    message: str
    frames: Sequence[Frame] = ()
    trace: Sequence[str] = ()


def read_failure(outcome: Outcome) -> Failure:
    """The failure that an outcome tells of, as far as its document can be read."""
    try:
        document = json.loads(outcome.payload)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        return Failure(outcome.error_type or "", outcome.payload[:MESSAGE_CHARACTERS].decode("utf-8", "replace"))
    error_type = document.get("errorType") or outcome.error_type or ""
    message = _PLATFORM.sub("", str(document.get("errorMessage", "")))
    told = document.get("stackTrace") or document.get("trace")
    trace = [str(entry) for entry in told] if isinstance(told, list) else []
    return Failure(str(error_type), message, tuple(_frames(trace)), trace)


def _frames(trace: Sequence[str]) -> Iterator[Frame]:
    for entry in trace:
        found = _FRAME.match(entry)
        if found:
            text = entry[found.end() :].strip("\n").partition("\n")[0].strip()
            yield Frame(found["file"], int(found["line"]), found["name"] or "", text)


def render(failure: Failure, invocation: Invocation | None, about: About, files: Files, style: Style) -> str:
    """The page: whole lines.

    Args:
        failure: what went wrong.
        invocation: in which invocation; None when the function did not start.
        about: the function.
        files: its files.
        style: of the terminal.
    """
    parts = [
        _title(failure.error_type or "error", style),
        *_nonempty(_cut_text(failure.message, MESSAGE_LINES, MESSAGE_CHARACTERS)),
        *_places(failure, about, files, style),
        *_nonempty(hint(failure.error_type, failure.message, about, files)),
        *([_event(invocation.payload, style)] if invocation else []),
        style.dim(f"request {invocation.request_id}" if invocation else "The function did not start."),
    ]
    return "\n\n".join(parts) + "\n" + style.red("─" * style.width) + "\n"


def _nonempty(text: str) -> list[str]:
    return [text] if text else []


def _title(error_type: str, style: Style) -> str:
    head = style.cut(f"── {_shown(error_type)} ")
    return style.red(head + "─" * (style.width - len(head)))


# The places


def _places(failure: Failure, about: About, files: Files, style: Style) -> Iterator[str]:
    users = [frame for frame in failure.frames if not _NOT_THE_USERS.search(frame.file)]
    frames = users or failure.frames
    if len(frames) > MAX_FRAMES:
        yield style.dim(f"… {len(frames) - MAX_FRAMES} calls before these")
    for frame in frames[-MAX_FRAMES:]:
        yield _place(frame, frame is frames[-1], about, files, style)
    if not frames and failure.trace:
        text = "\n".join(entry.rstrip("\n") for entry in failure.trace)
        yield _cut_text(text, MESSAGE_LINES, MESSAGE_CHARACTERS)


def _place(frame: Frame, failing: bool, about: About, files: Files, style: Style) -> str:
    root = about.task_root.rstrip("/") + "/"
    where = f"{frame.file.removeprefix(root)}, line {frame.line}" + (f", in {frame.name}" if frame.name else "")
    lines = [style.bold(_shown(where))]
    around = range(frame.line - BEFORE, frame.line + AFTER + 1) if failing else [frame.line]
    source = files.lines(frame.file, around)
    if frame.line not in source:
        source = {frame.line: frame.text} if frame.text else {}
    shown = _without_blank_ends(source, frame.line)
    wide = len(str(max(shown, default=0)))
    for number in shown:
        mark = ">" if number == frame.line else " "
        line = style.cut(f"  {mark} {number:>{wide}} │ {_shown(source[number].expandtabs(4))}").rstrip()
        lines.append(line if number == frame.line else style.dim(line))
    return "\n".join(lines)


def _without_blank_ends(source: Mapping[int, str], kept: int) -> list[int]:
    numbers = sorted(source)
    while numbers and numbers[0] != kept and not source[numbers[0]].strip():
        del numbers[0]
    while numbers and numbers[-1] != kept and not source[numbers[-1]].strip():
        del numbers[-1]
    return numbers


# The event


def _event(payload: bytes, style: Style) -> str:
    text = _in_order(payload) if len(payload) <= MAX_PARSED else None
    if text is None:
        # No more than can be shown is made text of: an event may have megabytes.
        head = payload[: EVENT_CHARACTERS * 4].decode("utf-8", "replace")
        shown, left = _cut(head, EVENT_LINES, EVENT_CHARACTERS)
        left += max(len(payload) - EVENT_CHARACTERS * 4, 0)
    else:
        shown, left = _cut(text, EVENT_LINES, EVENT_CHARACTERS)
    lines = [style.bold("event"), *(f"  {line}" for line in _shown(shown).split("\n"))]
    if left:
        lines.append(style.dim(f"  … {left:,} more characters; the event has {len(payload):,} bytes"))
    return "\n".join(lines)


def _in_order(payload: bytes) -> str | None:
    try:
        return json.dumps(json.loads(payload), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return None


# Texts


def _cut_text(text: str, lines: int, characters: int) -> str:
    shown, left = _cut(text.strip("\n"), lines, characters)
    return _shown(shown) + (f"\n… {left:,} more characters" if left else "")


def _cut(text: str, lines: int, characters: int) -> tuple[str, int]:
    """The beginning of a text, and how many characters are left out."""
    shown = "\n".join(text[:characters].split("\n", lines)[:lines])
    return shown, len(text) - len(shown)


def _shown(text: str) -> str:
    """A text without what would steer the terminal."""
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() or one in "\n\t" else one.encode("unicode_escape").decode("ascii") for one in text
    )
