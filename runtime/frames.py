"""The framed log: one frame a message, so that a message of several lines stays one.

Big-endian: type (4 bytes), length of the message (4), microseconds since the epoch (8), the message in UTF-8. Imported
when `_LAMBDA_TELEMETRY_LOG_FD` names a descriptor to write to.
"""

from __future__ import annotations

import os
from _thread import RLock
from time import time_ns

from .descriptors import identity
from .frame_types import TEXT, frame_type_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .logs import Sink

_UNTYPED = frame_type_of(TEXT)


class FramedSink:
    """Writes log events as frames to a descriptor that the process was started with; OSError if it is not open.

    When the descriptor fails later (its reader is gone, user code closed it), `fallback` takes the events instead: a
    worse log is better than none, or than a loop that ends.
    """

    def __init__(self, descriptor: int, fallback: Sink) -> None:
        self._file = identity(descriptor)
        if descriptor > 2:
            os.set_inheritable(descriptor, False)  # what the function starts would keep the log open after its end
        os.set_blocking(descriptor, True)
        self._descriptor = descriptor
        self._fallback = fallback
        self._works = True
        self._renew_lock()
        os.register_at_fork(after_in_child=self._renew_lock)

    def _renew_lock(self) -> None:
        self._lock = RLock()  # for a signal handler may log in the middle of a write

    def close(self) -> None:
        """Close the descriptor, unless user code has."""
        try:
            if identity(self._descriptor) == self._file:
                os.close(self._descriptor)
        except OSError:
            pass
        self._works = False

    def log(self, text: str, frame_type: bytes | None = None) -> None:
        """Write `text` as one frame; of no level where the type is not given."""
        if not self._write(text, frame_type):
            self._fallback.log(text)

    def log_error(self, lines: list[str], frame_type: bytes | None = None) -> None:
        """Write an error as one frame, its lines ended by newlines."""
        if not self._write("\n".join(lines), frame_type):
            self._fallback.log_error(lines)

    def _write(self, text: str, frame_type: bytes | None) -> bool:
        """Whether the descriptor took the frame."""
        data = text.encode("utf-8", "backslashreplace")
        head = (frame_type or _UNTYPED) + len(data).to_bytes(4, "big") + (time_ns() // 1000).to_bytes(8, "big")
        frame = memoryview(head + data)
        with self._lock:
            try:
                # Had user code closed it, the number might by now be that of a file of its own.
                self._works = self._works and identity(self._descriptor) == self._file
                while self._works and frame:
                    frame = frame[os.write(self._descriptor, frame) :]
            except OSError:
                self._works = False
            return self._works
