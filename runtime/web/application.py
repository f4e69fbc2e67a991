"""From `module:attribute` to a handler: which of the two protocols the application there speaks."""

from __future__ import annotations

import os

from ..errors import HANDLER_NOT_FOUND, MALFORMED_HANDLER_NAME, NOT_AN_APPLICATION, FaultError
from ..handler import import_module_of, signature_of
from ..paths import library_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..handler import Handler

ASGI, WSGI = "ASGI", "WSGI"
_ROOT_PATH = "RAPID_APP_ROOT_PATH"
_INVOKE_MODE = "RAPID_APP_INVOKE_MODE"
_MODES = ("BUFFERED", "RESPONSE_STREAM")


def load_application(name: str) -> Handler:
    """The handler that has the application `name` answer; an ASGI application has started then.

    Raises `FaultError` when there is no such thing, or what the application's module or start fails with.
    """
    module_name, _, path = name.partition(":")
    words = path.split(".")
    if not module_name or not all(word.isidentifier() for word in words):
        raise FaultError(MALFORMED_HANDLER_NAME, f"Bad handler '{name}': an application is named module:attribute")
    found: Any = import_module_of(module_name)
    try:
        for word in words:
            found = getattr(found, word)
    except AttributeError:
        raise FaultError(HANDLER_NOT_FOUND, f"Handler '{path}' missing on module '{module_name}'") from None
    mounted, streams = os.environ.get(_ROOT_PATH), _streams(os.environ.get(_INVOKE_MODE, _MODES[0]))
    if protocol_of(found, name) == WSGI:
        from .wsgi import WsgiHandler

        return WsgiHandler(found, mounted=mounted, streams=streams)
    from .asgi import AsgiHandler

    handler = AsgiHandler(found, mounted=mounted, streams=streams)
    handler.start()
    return handler


def _streams(mode: str) -> bool:
    if mode not in _MODES:
        raise ValueError(f"{_INVOKE_MODE} is {mode!r}: {' or '.join(_MODES)}")
    return mode == _MODES[1]


def protocol_of(application: object, name: str) -> str:
    """ASGI or WSGI, by what it can be called with; raises `FaultError` if that is neither."""
    if not callable(application):
        raise _none(name, f"is of type {type(application).__name__}, which cannot be called")
    if _takes(application, 3) and not (_takes(application, 2) and not _is_async(application)):
        if isinstance(application, type) and not hasattr(application, "__await__"):
            raise _none(name, "is a class; name an instance of it")
        return ASGI
    if _takes(application, 2) and not _is_async(application):
        return WSGI
    if _takes(application, 0):
        raise _none(name, "takes no arguments; if it makes the application, assign what it makes to a name")
    if _takes(application, 1):
        raise _none(name, "takes one argument, as in ASGI 2, which is not supported; asgiref.compatibility converts it")
    raise _none(name, "takes neither (scope, receive, send) nor (environ, start_response)")


def _takes(application: object, count: int) -> bool:
    """Whether it can be called with so many arguments. What has no signature in Python is taken at its word."""
    try:
        signature_of(application).bind(*[None] * count)
    except TypeError:
        return False
    except ValueError:
        return True
    return True


def _is_async(application: object) -> bool:
    inspect = library_module("inspect")
    function = inspect.unwrap(application)
    call = inspect.unwrap(type(function).__call__)
    return bool(inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call))


def _none(name: str, sentence: str) -> FaultError:
    return FaultError(NOT_AN_APPLICATION, f"'{name}' is no ASGI or WSGI application: it {sentence}")
