"""Events in, results out: JSON as AWS's Python runtime reads and writes it.

AWS's runtime uses simplejson, whose output for Decimal, bytes, named tuples and NaN users depend on. Here the standard
library's C scanner and encoder do the work, taken from `_json` because importing `json` costs several milliseconds (it
compiles regular expressions), and a second, slower way is taken only for values that they do not know.
"""

from __future__ import annotations

import sys
from _json import encode_basestring, encode_basestring_ascii, make_encoder, make_scanner
from gc import get_referents
from marshal import dumps

from .errors import MARSHAL_ERROR, UNMARSHAL_ERROR, FaultError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    JSONValue = Any

JSON = "application/json"
UNKNOWN = "application/unknown"

_WHITESPACE = " \t\n\r"
_SCALARS = frozenset({str, int, float, bool, type(None)})
_PLAIN = _SCALARS | {dict, list, tuple}
_RAW_UTF8_ENVIRONMENTS = frozenset(f"AWS_Lambda_python3.{minor}" for minor in range(12, 16))


def writes_raw_utf8(execution_environment: str | None) -> bool:
    """Whether AWS's runtime leaves non-ASCII text as it is there (3.12 and later), rather than escaping it."""
    return execution_environment in _RAW_UTF8_ENVIRONMENTS


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


class _ScannerOptions:
    """What the C scanner reads from a `json.JSONDecoder`."""

    strict = True
    object_hook = object_pairs_hook = array_hook = None
    parse_float, parse_int = float, int
    parse_constant = staticmethod(_refuse_constant)


def _new_scanner() -> Callable[[str, int], tuple[Any, int]]:
    options: Any = _ScannerOptions()
    return make_scanner(options)


_scan = _new_scanner()


def parse_json(text: str) -> JSONValue:
    """The value of a JSON text; raises ValueError with the standard library's message about what is wrong where."""
    bare = text.strip(_WHITESPACE)
    try:
        value, end = _scan(bare, 0)
    except Exception:  # of any kind: the scanner takes its own from `json`, which is not imported, or is the user's
        return _explain(text)
    return value if end == len(bare) else _explain(text)


def _explain(text: str) -> JSONValue:
    """Parse a faulty text again with the standard library's decoder written in Python, which says what is wrong."""
    from .paths import library_module

    decoder_module, scanner_module = library_module("json.decoder"), library_module("json.scanner")
    decoder = decoder_module.JSONDecoder(parse_constant=_refuse_constant)
    decoder.parse_string = decoder_module.py_scanstring
    decoder.scan_once = scanner_module.py_make_scanner(decoder)
    return decoder.decode(text)


def unmarshal(body: bytes | bytearray, content_type: str | None) -> JSONValue:
    """The event: the JSON value of the body if it is declared as exactly `application/json`, else the bytes."""
    if content_type != JSON:
        return bytes(body)
    try:
        return parse_json(body.decode("utf-8-sig" if body.startswith(b"\xef\xbb\xbf") else "utf-8"))
    except Exception as error:
        raise FaultError(UNMARSHAL_ERROR, f"Unable to unmarshal input: {error}") from error


class Encoder:
    """Turns results into JSON. `ascii_only` escapes what is not ASCII, as AWS's runtime does up to Python 3.11."""

    def __init__(self, *, ascii_only: bool) -> None:
        quote = encode_basestring_ascii if ascii_only else encode_basestring
        self._fast = make_encoder(None, _unknown, quote, None, ": ", ", ", False, False, True)

        def quote_or_raw(text: str) -> str:
            return str.__str__(text) if type(text) is _Raw else quote(text)

        self._slow = make_encoder(None, _unknown, quote_or_raw, None, ": ", ", ", False, False, True)

    def encode(self, value: object) -> bytes:
        """The JSON text of `value` in UTF-8; raises TypeError or ValueError when there is none."""
        try:
            text = "".join(self._fast(value, 0))
            simple = _is_exact(value) or is_plain(value)
        except Exception:
            simple = False
        if not simple:
            try:
                text = "".join(self._slow(_simplify(value, set()), 0))
            except RecursionError:  # of ours or of the encoder's: in the latter's words
                raise RecursionError("maximum recursion depth exceeded while encoding a JSON object") from None
        # A lone surrogate has no UTF-8, but its Python escape is also JSON's.
        return text.encode("utf-8", "backslashreplace")

    def marshal(self, result: object) -> tuple[bytes, str]:
        """The body and content type to respond with; raises `FaultError` for a result that cannot be one."""
        if isinstance(result, bytes):
            return result, UNKNOWN
        try:
            return self.encode(result), JSON
        except Exception as error:
            raise FaultError(MARSHAL_ERROR, f"Unable to marshal response: {error}") from error


class _Raw(str):
    """A piece of JSON that is written as it is."""

    __slots__ = ()


def _unknown(value: object) -> object:
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _is_exact(value: Any) -> bool:  # noqa: ANN401 - what `marshal` takes has no name
    """Whether a value, which the C encoder could encode, holds no instance of a subclass.

    False also where there is no telling. Python's own format for bytecode knows nothing but the built-in types
    themselves, and finds others in half the time of `is_plain`; but it refuses what is deeper than its limit.
    """
    try:
        dumps(value)
    except ValueError:
        return False
    return True


def is_plain(value: object) -> bool:
    """Whether the C encoder reads a value, which it could encode, as we do: to it a named tuple is an array.

    Goes level by level through everything in the value, with loops that run in C.
    """
    level: tuple[object, ...] | list[object] = (value,)
    while level:
        kinds = set(map(type, level))
        if kinds <= _SCALARS:
            return True
        if not kinds <= _PLAIN:
            return False
        level = get_referents(*level)
    return True


def _simplify(value: object, parents: set[int]) -> object:
    """The same value in terms that the C encoder knows; `parents` are the containers that we are inside of."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, bytes):
        return str(value, "utf-8")
    if id(value) in parents:
        raise ValueError("Circular reference detected")
    parents.add(id(value))
    as_dict = None if isinstance(value, (dict, list)) else getattr(value, "_asdict", None)
    simple: Any
    if callable(as_dict):
        simple = _simplify(as_dict(), parents)
    elif isinstance(value, dict):
        simple = {}
        # One that holds nothing is not asked for its items, as the C encoders do not.
        for key, item in value.items() if dict.__len__(value) else ():
            name = _simplify_key(key)  # before its value: what is wrong with it is said first
            simple[name] = _simplify(item, parents)
    elif isinstance(value, (list, tuple)):
        simple = []
        for item in value:
            simple.append(_simplify(item, parents))  # in a comprehension half as deep, before 3.12
    else:
        simple = _simplify_decimal(value)
    parents.discard(id(value))
    return simple


def _simplify_key(key: object) -> object:
    if isinstance(key, bytes):
        return str(key, "utf-8")
    if key is not None and not isinstance(key, (str, int, float)):
        raise TypeError(f"keys must be str, int, float, bool or None, not {type(key).__name__}")
    return key


def _simplify_decimal(value: object) -> object:
    # Whoever made a Decimal has imported the module; if nobody has, this is none.
    kind: Any = getattr(sys.modules.get("decimal"), "Decimal", ())
    if not isinstance(value, kind):
        return _unknown(value)
    return float("nan") if value.is_nan() else _Raw(value)
