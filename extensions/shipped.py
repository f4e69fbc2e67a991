"""What the shipped extensions have in common: their name, their settings, how they say that they cannot work."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any

import httpx

from .events import ExtensionsApiError

TYPES = ("platform", "function", "extension")


class ShippedError(Exception):
    """The extension cannot work; the text says why and what to do about it, in a sentence.

    Attributes:
        error_type: of the form `Extension.Reason`.
    """

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type


class Settings:
    """Environment variables of one extension, which all begin with its prefix; an empty one is as good as none."""

    def __init__(self, prefix: str, environ: Mapping[str, str]) -> None:
        self._prefix = prefix
        self._environ = environ

    def text(self, name: str, default: str) -> str:
        """Any text."""
        return self._environ.get(self._prefix + name) or default

    def number(self, name: str, default: int, least: int) -> int:
        """A whole number.

        Raises:
            ShippedError: it is none, or less than `least`.
        """
        value = self.text(name, str(default))
        if not (value.isascii() and value.isdigit()) or int(value) < least:
            raise self._wrong(name, value, f"a whole number of at least {least}")
        return int(value)

    def choice(self, name: str, default: str, choices: Sequence[str]) -> str:
        """One of some words.

        Raises:
            ShippedError: it is another one.
        """
        value = self.text(name, default)
        if value not in choices:
            raise self._wrong(name, value, f"one of {', '.join(choices)}")
        return value

    def types(self) -> list[str]:
        """The telemetry to subscribe to, `…TYPES`: comma-separated.

        What extensions print is not among it by default: what the extension itself prints would come back to it.

        Raises:
            ShippedError: a type that there is not.
        """
        value = self.text("TYPES", "platform,function")
        types = [word.strip() for word in value.split(",")]
        if not set(types) <= set(TYPES):
            raise self._wrong("TYPES", value, f"some of {', '.join(TYPES)}, separated by commas")
        return types

    def _wrong(self, name: str, value: str, wanted: str) -> ShippedError:
        return ShippedError("Extension.ConfigInvalid", f"{self._prefix}{name} is {value!r}, but must be {wanted}")


def run(work: Callable[[str], Coroutine[Any, Any, None]]) -> int:
    """Run a shipped extension to its end; returns the exit code.

    Args:
        work: the extension, given the name to register under: `RAPID_EXTENSION_NAME`, or the program's file name, which
            on AWS must be that of the file in /opt/extensions.
    """
    name = os.environ.get("RAPID_EXTENSION_NAME") or os.path.basename(sys.argv[0])
    if not os.environ.get("AWS_LAMBDA_RUNTIME_API"):
        print(f"{name}: AWS_LAMBDA_RUNTIME_API is not set: a Lambda environment starts extensions", flush=True)
        return 1
    try:
        asyncio.run(work(name))
    except (ShippedError, ExtensionsApiError, httpx.TransportError) as error:
        print(f"{name}: {error or type(error).__name__}", flush=True)
        return 1
    return 0


@contextlib.asynccontextmanager
async def reported(report: Callable[[str, str], Awaitable[None]]) -> AsyncIterator[None]:
    """Tell the API, by `init_error` or `exit_error` of the extension, when the block cannot go on.

    Raises:
        ShippedError: that of the block.
    """
    try:
        yield
    except ShippedError as error:
        with contextlib.suppress(ExtensionsApiError, httpx.TransportError):  # what was wrong first is what counts
            await report(error.error_type, str(error))
        raise
