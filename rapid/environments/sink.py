"""The seam between processes and their log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class OutputSink(Protocol):
    """Where the output of a process goes."""

    def output(self, data: bytes) -> bool:
        """Take bytes it has written to its standard streams; False asks for a pause until `on_drained` is called."""

    def framed(self, data: bytes) -> bool:
        """Take bytes it has written to its framed log; False asks for a pause as well."""

    def end(self) -> None:
        """Nothing more will come."""

    def on_drained(self, callback: Callable[[], None]) -> None:
        """Call `callback` once when there is room again."""

    def another(self) -> OutputSink:
        """A sink for a further stream of the same process, whose lines do not mix with those of others."""
