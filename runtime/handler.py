"""The user's handler: from its name to a callable."""

from __future__ import annotations

import os
import sys
from importlib import import_module

from .errors import (
    BUILT_IN_MODULE_CONFLICT,
    HANDLER_NOT_FOUND,
    IMPORT_MODULE_ERROR,
    MALFORMED_HANDLER_NAME,
    USER_CODE_SYNTAX_ERROR,
    FaultError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from inspect import Signature
    from types import ModuleType
    from typing import Any

    Result = Any
    Handler = Callable[[Any, Any], Result]

# `inspect` has these as CO_GENERATOR and so on; to import it costs milliseconds.
_GENERATOR, _COROUTINE, _ASYNC_GENERATOR = 0x20, 0x80, 0x200
_DEEPEST = 100
TYPED_EVENTS = "RAPID_TYPED_EVENTS"


def load_handler(name: str) -> Handler:
    """Import the module that `name` begins with and take its last word from there.

    `app.handler`, `package.module.handler` and `package/module.handler` are all good; `app:app` is an ASGI or WSGI
    application, which is called otherwise. With `RAPID_TYPED_EVENTS=on` the handler is given its event as what it is
    annotated with. Raises `FaultError` with the error type that Lambda gives the mistake; any other exception is the
    user's module's own.
    """
    if ":" in name:
        from .web.application import load_application

        return load_application(name)
    try:
        module_name, function_name = name.rsplit(".", 1)
    except ValueError as error:
        raise FaultError(MALFORMED_HANDLER_NAME, f"Bad handler '{name}': {error}") from None
    module = import_module_of(module_name)
    try:
        handler: Handler = getattr(module, function_name)
    except AttributeError:
        raise FaultError(HANDLER_NOT_FOUND, f"Handler '{function_name}' missing on module '{module_name}'") from None
    return handler if os.environ.get(TYPED_EVENTS, "off") == "off" else _typed(handler, os.environ[TYPED_EVENTS])


def _typed(handler: Handler, mode: str) -> Handler:
    if mode != "on":
        raise ValueError(f"{TYPED_EVENTS} is {mode!r}: on or off")
    from .typed.events import typed

    return typed(handler)


def import_module_of(module_name: str) -> ModuleType:
    """Import the module that a handler is in; raises as `load_handler` does."""
    if module_name.split(".")[0] in sys.builtin_module_names:
        raise FaultError(BUILT_IN_MODULE_CONFLICT, f"Cannot use built-in module {module_name} as a handler module")
    try:
        return import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise FaultError(IMPORT_MODULE_ERROR, f"Unable to import module '{module_name}': {error}") from error
    except SyntaxError as error:
        trace = [f'  File "{error.filename}" Line {error.lineno}\n    {error.text}']
        raise FaultError(USER_CODE_SYNTAX_ERROR, f"Syntax error in module '{module_name}': {error}", trace) from error


class Kind:
    """What calling a handler gives. `is_async`: a coroutine or an async generator; `is_generator`: either generator."""

    __slots__ = ("is_async", "is_generator")

    def __init__(self, flags: int) -> None:
        self.is_async = bool(flags & (_COROUTINE | _ASYNC_GENERATOR))
        self.is_generator = bool(flags & (_GENERATOR | _ASYNC_GENERATOR))


def kind_of(handler: Handler, *, undecorated: bool = True) -> Kind:
    """The kind of the function that a handler comes to; see `function_of`."""
    function: Any = function_of(handler, undecorated=undecorated)
    return Kind(0 if function is None else function.__code__.co_flags)


def function_of(handler: Handler, *, undecorated: bool = True) -> Handler | None:
    """The function that a handler comes to, below partials, methods, `__call__` and, if `undecorated`, decorators; None
    if there is none.

    What is returned was written in Python, or looks so: it has a `__code__`.
    """
    function = handler
    try:
        for _ in range(_DEEPEST):
            inner = _inner(function, undecorated=undecorated)
            if inner is None:
                return function if isinstance(function.__code__.co_flags, int) else None
            function = inner
    except Exception:  # noqa: S110 - no function written in Python, or an object that answers as it likes
        pass
    return None


def _inner(function: Handler, *, undecorated: bool) -> Handler | None:
    """What a callable calls, as far as can be told; None for a function that is none but itself."""
    # Whoever made a partial has imported the module; if nobody has, this is none.
    partial: Any = getattr(sys.modules.get("functools"), "partial", ())
    decorated = undecorated or getattr(type(function), "runs_what_it_wraps", False)
    name = "func" if isinstance(function, partial) else "__wrapped__" if decorated else "__func__"
    inner: Handler | None = getattr(function, name, None) or getattr(function, "__func__", None)
    if inner is None and not hasattr(function, "__code__"):
        inner = type(function).__call__
    return inner


def signature_of(function: object) -> Signature:
    """`inspect.signature` of a function of the user's; raises TypeError and ValueError as it does.

    From Python 3.14 on annotations are evaluated when asked for, and may name what is imported for type checkers alone.
    """
    from .paths import library_module

    plain = (
        {"annotation_format": library_module("annotationlib").Format.FORWARDREF} if sys.version_info >= (3, 14) else {}
    )
    signature: Signature = library_module("inspect").signature(function, **plain)
    return signature
