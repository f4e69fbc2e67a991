"""Lines of the text log with the number of their environment before them, where several write to one console."""

from __future__ import annotations

from collections.abc import Callable

from rapid.core.invocation import Invocation, Outcome
from rapid.telemetry.console import Console


class Tagged:
    """One environment's side of the console.

    Args:
        console: where the lines go.
        tag: what each begins with.
    """

    def __init__(self, console: Console, tag: str) -> None:
        self._console = console
        self._tag = tag.encode()
        self._inside: set[object] = set()  # writers that have begun a line

    def output(self, data: bytes, writer: object = None) -> bool:
        """See `Console.output`; a line that another writer has broken is begun anew, with its tag."""
        if writer in self._inside and self._console.goes_on(writer):
            head, newline, rest = data.partition(b"\n")
            tagged = head + newline + self._tagged(rest)
        else:
            tagged = self._tagged(data)
        (self._inside.discard if data.endswith(b"\n") else self._inside.add)(writer)
        return self._console.output(tagged, writer)

    def platform(self, lines: str) -> None:
        """See `Console.platform`."""
        self._console.platform(self._tagged(lines.encode()).decode())

    def on_drained(self, callback: Callable[[], None]) -> None:
        """See `Console.on_drained`."""
        self._console.on_drained(callback)

    @property
    def shows_errors(self) -> bool:
        """See `Output.shows_errors`."""
        return self._console.shows_errors

    def error(self, outcome: Outcome, invocation: Invocation | None) -> None:
        """See `Output.error`; a page has no tags."""
        self._console.error(outcome, invocation)

    def _tagged(self, data: bytes) -> bytes:
        # At newlines only: the runtime's errors have carriage returns inside of one line.
        whole = data.removesuffix(b"\n")
        return self._tag + whole.replace(b"\n", b"\n" + self._tag) + data[len(whole) :] if data else b""
