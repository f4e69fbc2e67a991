"""Standard output and error where several write at once."""

from __future__ import annotations

import os
import sys
from _thread import get_ident
from io import TextIOWrapper

from ..client import complain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping
    from typing import TextIO

PROVIDER = "_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET"
_kept_open: list[TextIO] = []


def connect_output(environ: Mapping[str, str]) -> None:
    """Take a stream of this process's own for standard output, and one for standard error, where the platform has them.

    They are two connections to the socket of that path. When it does not take them, the streams stay what they are: a
    worse log is better than no invocations.
    """
    path = environ.get(PROVIDER)
    if not path:
        return
    import _socket

    for descriptor in (1, 2):
        stream = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            stream.settimeout(None)
            stream.connect(path)
            os.dup2(stream.fileno(), descriptor)
        except (OSError, ValueError) as error:
            complain(f"{PROVIDER} is '{path}': {error}; writing where the runtime's first process does")
        finally:
            stream.close()


def write_whole_lines() -> None:
    """Replace standard output and error by streams over the same files that write whole lines, and at once."""
    sys.stdout, sys.stderr = _whole(sys.stdout), _whole(sys.stderr)


def _whole(stream: TextIO) -> TextIO:
    if not isinstance(stream, TextIOWrapper):
        return stream
    # Not over the buffer that there is, which knows what the descriptor was before another took its place.
    buffer = open(stream.fileno(), "wb", closefd=False)  # noqa: SIM115 - it lives as long as the process
    whole = _WholeLines(buffer, stream.encoding, stream.errors)
    _kept_open.append(whole)  # as in `logs`
    return whole


class _WholeLines(TextIOWrapper):
    """`print` writes a line and its end one after the other, and somebody else's must not come between them.

    The beginning of a line waits for its end, for `flush`, or for the end of the invocation.
    """

    def __init__(self, buffer: object, encoding: str, errors: str | None) -> None:
        super().__init__(buffer, encoding, errors)  # type: ignore[arg-type]  # the buffer of another one
        self._begun: dict[int, str] = {}
        os.register_at_fork(after_in_child=self._begun.clear)

    def write(self, text: str) -> int:
        thread = get_ident()
        lines, end, rest = (self._begun.pop(thread, "") + text).rpartition("\n")
        if rest:
            self._begun[thread] = rest
        if end:
            super().write(lines + end)
            super().flush()
        return len(text)

    def flush(self) -> None:
        begun = getattr(self, "_begun", None)  # it is flushed while it is being made
        if begun and (text := begun.pop(get_ident(), "")):
            super().write(text)
        super().flush()


def end_lines() -> None:
    """Write what this thread has begun: its invocation is over."""
    for stream in _kept_open:
        try:  # noqa: SIM105 - contextlib is not imported for that
            stream.flush()
        except (OSError, ValueError):  # noqa: PERF203
            pass  # closed by user code, or its reader has gone


def leave_framed_log(environ: MutableMapping[str, str]) -> None:
    """Frames of several processes would mix: as in AWS's runtime, workers log to standard output."""
    descriptor = environ.pop("_LAMBDA_TELEMETRY_LOG_FD", "")
    if descriptor.isascii() and descriptor.isdigit() and int(descriptor) > 2:
        try:  # noqa: SIM105
            os.close(int(descriptor))
        except (OSError, OverflowError):
            pass
