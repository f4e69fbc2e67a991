"""Error pages on a terminal: whether there is one, and what it is like."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rapid.core.invocation import Invocation, Outcome
from rapid.telemetry.console import Console
from rapid.telemetry.error_hints import About
from rapid.telemetry.error_page import Style, read_failure, render

STDOUT, STDERR = 1, 2
LARGEST_SOURCE = 2 * 1024 * 1024
"""Bytes of a file that is looked into for its lines."""

NARROWEST, WIDEST = 40, 120
TRACE = b"\rTraceback (most recent call last):"
"""What AWS's runtimes for Python, and ours, have in an error. Its lines end in carriage returns, for log agents."""


class Disk:
    """The function's files as they are now; see `Files`."""

    def lines(self, path: str, numbers: Iterable[int]) -> Mapping[int, str]:
        """See `Files.lines`; a function names the file, which may be anything."""
        try:
            told = Path(path).stat()
            if not stat.S_ISREG(told.st_mode) or told.st_size > LARGEST_SOURCE:
                return {}
            text = Path(path).read_text("utf-8", "replace").splitlines()
        except (OSError, ValueError):
            return {}
        return {number: text[number - 1] for number in numbers if 0 < number <= len(text)}

    def modules(self, folder: str) -> Sequence[str]:
        """See `Files.modules`."""
        try:
            found = [entry.name + "/" * entry.is_dir() for entry in Path(folder).iterdir()]
        except (OSError, ValueError):
            return []
        return sorted(name for name in found if name[0] not in "._" and name.endswith((".py", "/")))


class Terminal(Console):
    """A console that shows errors to whoever sits at it.

    Args:
        fd: where all lines go.
        terminal: where errors are shown; the same, or another that is a terminal.
        colours: whether it is to be given colours.
        about: the function.
    """

    def __init__(self, fd: int, terminal: int, colours: bool, about: About) -> None:
        super().__init__(fd)
        self._terminal = terminal
        self._screen = self if terminal == fd else Console(terminal)
        self._colours = colours
        self._about = about

    def output(self, data: bytes, writer: object = None) -> bool:
        """See `Output.output`; the lines of an error are put one below the other, not one over the other."""
        if self._screen is self and TRACE in data:
            data = data.replace(b"\r", b"\n")
        return super().output(data, writer)

    @property
    def shows_errors(self) -> bool:
        """See `Output.shows_errors`."""
        return True

    def error(self, outcome: Outcome, invocation: Invocation | None) -> None:
        """See `Output.error`; nothing is shown while the terminal lags behind."""
        if not self._screen.lags:
            style = Style(self._width(), self._colours)
            self._screen.platform(render(read_failure(outcome), invocation, self._about, Disk(), style))

    def flush(self) -> None:
        """See `Console.flush`."""
        super().flush()
        if self._screen is not self:
            self._screen.flush()

    def _width(self) -> int:
        try:
            columns = os.get_terminal_size(self._terminal).columns
        except OSError:
            columns = 0
        return min(max(columns or 80, NARROWEST), WIDEST)


def open_console(about: About | None, environ: Mapping[str, str]) -> Console:
    """The console on standard output; errors are shown there, else on standard error, if that is a terminal.

    `NO_COLOR` (https://no-color.org) and a dumb terminal take the colours away.

    Args:
        about: the function; None if errors are not to be shown.
        environ: of the process.
    """
    terminal = next((fd for fd in (STDOUT, STDERR) if os.isatty(fd)), None)
    if about is None or terminal is None:
        return Console(STDOUT)
    colours = not environ.get("NO_COLOR") and environ.get("TERM", "dumb") not in ("", "dumb")
    return Terminal(STDOUT, terminal, colours, about)
