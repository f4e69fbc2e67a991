"""Pydantic's part: its models and dataclasses are read and written by itself. Whoever uses it has imported it."""

from __future__ import annotations

import sys

from ..marshal import Encoder
from .mismatch import Reader, RefusedError, UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..marshal import JSONValue
    from .mismatch import Kind, Value


def is_model(kind: object) -> bool:
    """Whether it is a class of pydantic's: a model or a dataclass."""
    if not isinstance(kind, type):
        return False
    base: Any = getattr(sys.modules.get("pydantic"), "BaseModel", None)
    is_own = isinstance(base, type) and issubclass(kind, base)
    return is_own or "__pydantic_validator__" in vars(kind)


def model_reader(kind: Kind) -> Reader:
    """Reads as pydantic validates; `UnsupportedError` for what pydantic 1 made."""
    if not hasattr(kind, "__pydantic_validator__"):
        raise UnsupportedError(f"{kind.__name__} is a model of pydantic 1; pydantic 2 is supported")
    pydantic: Any = sys.modules["pydantic"]
    validate: Callable[[JSONValue], Any]
    validate_text: Callable[[bytes], Any]
    if hasattr(kind, "model_validate"):
        validate, validate_text = kind.model_validate, kind.model_validate_json
    else:
        adapter = pydantic.TypeAdapter(kind)
        validate, validate_text = adapter.validate_python, adapter.validate_json
    encode = Encoder(ascii_only=True).encode

    def read(value: JSONValue) -> Value:
        try:
            return validate(value)
        except pydantic.ValidationError:
            pass  # where a model is strict, a text is a date in JSON alone
        try:
            return validate_text(encode(value))
        except pydantic.ValidationError as error:
            raise RefusedError(str(error)) from None

    return Reader(f"an object ({kind.__name__})", read)


def dumped(value: Value) -> JSONValue:
    """A model, or a dataclass of pydantic's, in values of JSON."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    pydantic: Any = sys.modules["pydantic"]
    return pydantic.TypeAdapter(type(value)).dump_python(value, mode="json")
