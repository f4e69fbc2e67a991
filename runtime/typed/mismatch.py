"""A value that is not what was expected of it, and what a reader of values is."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..marshal import JSONValue

    # A class, what a parameter or field is annotated with, and what a value is read as: none has a type of its own.
    Kind = Any
    Annotation = Any
    Value = Any
    Read = Callable[[JSONValue], Value]

_LONGEST = 60


class UnsupportedError(Exception):
    """An annotation that says nothing about JSON, or cannot be resolved. Its text is a sentence for the author."""


class MismatchError(Exception):
    """A value of the event that is not what an annotation says; `steps` lead there, the innermost first."""

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(expected, found)
        self.steps: list[str] = []
        self._expected = expected
        self._found = found

    @property
    def where(self) -> str:
        """The place of the value in the event: `event.items[2].price`."""
        return "event" + "".join(reversed(self.steps))

    def __str__(self) -> str:
        return f"{self.where}: expected {self._expected}, found {self._found}"


class RefusedError(MismatchError):
    """A value that pydantic refuses, in its words."""

    def __init__(self, text: str) -> None:
        super().__init__("", "")
        self._text = text

    def __str__(self) -> str:
        return f"{self.where}: {self._text}" if self.steps else self._text


class Reader:
    """Reads a JSON value; `expected` says what it takes, `read` raises `MismatchError` for anything else."""

    __slots__ = ("expected", "read")

    def __init__(self, expected: str, read: Read) -> None:
        self.expected = expected
        self.read = read


def mismatch(expected: str, value: JSONValue) -> MismatchError:
    """For a value that was found where something else was expected."""
    return MismatchError(expected, describe(value))


def describe(value: JSONValue) -> str:
    """A value in JSON's words, no longer than fits in a line."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    text = "" if isinstance(value, int) and abs(value) >= 10**_LONGEST else repr(value)
    if not text or len(text) > _LONGEST:
        text = text[:_LONGEST] + "…"
    return f"the {_KINDS.get(type(value), type(value).__name__)} {text}"


_KINDS = {str: "string", int: "number", float: "number"}
