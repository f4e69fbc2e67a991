"""Signals that come before there is a loop to take them."""

from __future__ import annotations

import signal
import sys
from types import FrameType

asked: list[int] = []
"""The signals so far. Leaving is an exception, and where one arises that nobody can catch (in a callback of the import
system's, say) it is dropped: whoever starts to serve must look here.
"""


def listen() -> None:
    """Leave when asked to. As process 1 of a container there is no default action: a signal would be lost."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
    # The image's entry point blocks the signal until here.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def leave(number: int, _: FrameType | None) -> None:
    """The handler of both."""
    asked.append(number)
    sys.exit(0)
