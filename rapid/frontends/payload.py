"""The event: is it JSON, and what stands for an empty one."""

from __future__ import annotations

import json
from typing import NoReturn


class InvalidPayload(ValueError):
    """The payload is not JSON; the text says where."""


def refuse_constant(name: str) -> NoReturn:
    """For `json`, which would read NaN and Infinity otherwise."""
    raise InvalidPayload(f"Non-standard token '{name}'")


# Numbers are not needed, so they are read in the way that has no limit on their digits.
_decode = json.JSONDecoder(parse_int=float, parse_constant=refuse_constant).decode


def event(payload: bytes) -> bytes:
    """The event to hand over; AWS invokes with `{}` when a caller sends nothing.

    Raises:
        InvalidPayload: it is not JSON in UTF-8.
    """
    if not payload:
        return b"{}"
    try:
        _decode(payload.decode())
    except UnicodeDecodeError as error:
        raise InvalidPayload(f"Invalid UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise InvalidPayload(f"{error.msg} (line: {error.lineno}, column: {error.colno})") from None
    except RecursionError:
        raise InvalidPayload("nested too deeply") from None
    return payload
