"""Readers of values that hold no others."""

from __future__ import annotations

import sys

from .mismatch import Reader, UnsupportedError, mismatch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..marshal import JSONValue
    from .mismatch import Kind, Value


def anything() -> Reader:
    """Takes a value as it is."""
    return Reader("anything", lambda value: value)


def of_type(kind: type, expected: str) -> Reader:
    """A value of exactly this type: `true` is no number."""

    def read(value: JSONValue) -> Value:
        if type(value) is not kind:
            raise mismatch(expected, value)
        return value

    return Reader(expected, read)


def _integer() -> Reader:
    def read(value: JSONValue) -> int:
        # To JSON 1.0 and 1 are one number.
        if type(value) is int or (type(value) is float and value.is_integer()):
            return int(value)
        raise mismatch("an integer", value)

    return Reader("an integer", read)


def _number() -> Reader:
    def read(value: JSONValue) -> float:
        if type(value) not in (int, float):
            raise mismatch("a number", value)
        try:
            return float(value)
        except OverflowError:
            raise mismatch("a number that is not beyond a float", value) from None

    return Reader("a number", read)


def _from_text(make: Callable[[str], Any], expected: str) -> Reader:
    def read(value: JSONValue) -> Value:
        if type(value) is str:
            try:
                return make(value)
            except ValueError:
                pass
        raise mismatch(expected, value)

    return Reader(expected, read)


def _decimal(kind: Kind) -> Reader:
    expected = "a number, or a string of one"

    def read(value: JSONValue) -> Value:
        if type(value) in (str, int, float):
            try:
                # From the digits of a float, not from its binary value: 1.1 is 1.1.
                return kind(value if type(value) is int else str(value))
            except ArithmeticError:
                pass
        raise mismatch(expected, value)

    return Reader(expected, read)


def _iso(kind: Kind, expected: str) -> Reader:
    def make(text: str) -> Value:
        if sys.version_info < (3, 11) and text[-1:] in ("Z", "z"):
            text = text[:-1] + "+00:00"
        return kind.fromisoformat(text)

    return _from_text(make, expected)


_MAKERS: dict[str, Callable[[Any], Reader]] = {
    "builtins.str": lambda kind: of_type(kind, "a string"),
    "builtins.bool": lambda kind: of_type(kind, "true or false"),
    "builtins.NoneType": lambda kind: of_type(kind, "null"),
    "builtins.int": lambda _: _integer(),
    "builtins.float": lambda _: _number(),
    "builtins.object": lambda _: anything(),
    "decimal.Decimal": _decimal,
    "datetime.datetime": lambda kind: _iso(kind, "a date and time in ISO 8601"),
    "datetime.date": lambda kind: _iso(kind, "a date in ISO 8601"),
    "datetime.time": lambda kind: _iso(kind, "a time in ISO 8601"),
    "uuid.UUID": lambda kind: _from_text(kind, "a UUID"),
}


def scalar(kind: type) -> Reader | None:
    """The reader of a class by its name, so that nothing need be imported; None for any other."""
    maker = _MAKERS.get(f"{kind.__module__}.{kind.__qualname__}")
    return None if maker is None else maker(kind)


def choice(values: tuple[Any, ...]) -> Reader:
    """One of the values of a `Literal`."""
    expected = "one of " + ", ".join(map(repr, values)) if len(values) > 1 else repr(values[0])
    by_value = {(type(value), value): value for value in values}
    if not {kind for kind, _ in by_value} <= {str, int, bool, type(None)}:
        raise UnsupportedError(f"Literal of {expected}: only strings, numbers, booleans and None are in JSON")

    def read(value: JSONValue) -> Value:
        key = type(value), value
        if type(value) in (list, dict) or key not in by_value:
            raise mismatch(expected, value)
        return by_value[key]

    return Reader(expected, read)


def member(kind: Kind) -> Reader:
    """The member of an Enum that has the value."""
    values = [one.value for one in kind]
    expected = f"{kind.__name__}: one of {', '.join(map(repr, values))}"
    types = set(map(type, values))

    def read(value: JSONValue) -> Value:
        if type(value) is not bool or bool in types:
            try:
                return kind(value)
            except (ValueError, TypeError):
                pass
        raise mismatch(expected, value)

    return Reader(expected, read)
