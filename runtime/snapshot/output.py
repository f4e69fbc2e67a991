"""Standard output and error of a template: nobody is in the middle of a write while it is forked.

A stream has a lock, and a fork would have it locked for ever if a thread held it, with nobody left to let go of it.
"""

from __future__ import annotations

from _thread import RLock

from ..logs import FlushedText, flushed

_writing = RLock()  # for a signal handler may write in the middle of a write


class _Guarded(FlushedText):
    def write(self, text: str) -> int:
        with _writing:
            return super().write(text)


class Output:
    """The streams that the runtime has put in the place of the interpreter's. While it is entered, nobody writes."""

    def __init__(self) -> None:
        for stream in flushed:
            stream.__class__ = _Guarded

    def __enter__(self) -> None:
        _writing.acquire()

    def __exit__(self, *exception: object) -> None:
        _writing.release()

    def open(self) -> None:
        """From here on they are as in any process."""
        for stream in flushed:
            stream.__class__ = FlushedText
