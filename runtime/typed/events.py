"""Which annotation the event of a handler has, and the handler that reads it so."""

from __future__ import annotations

from ..errors import EVENT_VALIDATION_ERROR, UNSUPPORTED_EVENT_TYPE, FaultError
from ..handler import function_of, signature_of
from ..paths import library_module
from .mismatch import MismatchError, UnsupportedError
from .readers import Readers, is_typed, resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..handler import Handler, Result
    from ..marshal import JSONValue
    from .mismatch import Annotation, Reader, Value


class TypedHandler:
    """Calls a handler with its event read as the annotation says; to whoever asks, it is a wrapper of it."""

    __slots__ = ("__wrapped__", "_reader")
    runs_what_it_wraps = True

    def __init__(self, handler: Handler, reader: Reader) -> None:
        self.__wrapped__ = handler
        self._reader = reader

    def __call__(self, event: JSONValue, context: object) -> Result:
        """Raises `FaultError` when the event is not what the annotation says."""
        return self.__wrapped__(self._read(event), context)

    def _read(self, event: JSONValue) -> Value:
        try:
            return self._reader.read(event)
        except MismatchError as error:
            raise FaultError(EVENT_VALIDATION_ERROR, str(error)) from None


def typed(handler: Handler) -> Handler:
    """The handler that is given dataclasses and models; itself when its annotation names none.

    Raises `FaultError` when the annotation cannot be honoured.
    """
    try:
        annotation = _annotation_of(handler)
        if not is_typed(annotation):
            return handler
        return TypedHandler(handler, Readers().of(annotation))
    except UnsupportedError as error:
        raise FaultError(
            UNSUPPORTED_EVENT_TYPE, f"Cannot read the event as the handler's annotation: {error}"
        ) from None


def _annotation_of(handler: Handler) -> Annotation:
    """What the first parameter is annotated with; None if nothing, or if there is no telling."""
    inspect: Any = library_module("inspect")
    try:
        parameters = list(signature_of(handler).parameters.values())
    except (TypeError, ValueError):
        return None
    if not parameters or parameters[0].annotation is inspect.Parameter.empty:
        return None
    namespace = getattr(function_of(handler), "__globals__", None)
    return resolve({"event": parameters[0].annotation}, namespace)["event"]
