"""The Runtime API for one slot of several, which is not to be lost for one failure."""

from __future__ import annotations

from time import sleep

from ..client import RuntimeClient, complain
from ..errors import RuntimeAPIError
from .output import end_lines

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..client import Invocation
    from ..upload import Upload
    from .board import Slot

DELAYS = (0.1, 0.2, 0.4, 0.8)
"""Seconds between five attempts to get an invocation, as AWS's runtime has them."""


class LineEndingClient(RuntimeClient):
    """An invocation's answer comes behind all that it has written."""

    def close_response(self, upload: Upload, trailers: bytes = b"") -> None:
        """What it has streamed comes behind it too."""
        end_lines()
        super().close_response(upload, trailers)

    def _answer(self, invocation: Invocation, kind: str, headers: str, body: bytes) -> None:
        end_lines()
        super()._answer(invocation, kind, headers, body)


class SlotClient(LineEndingClient):
    """Asks again when the question for an invocation fails, and says on the board what the slot holds."""

    def __init__(self, address: str, slot: Slot, *, pipelined: bool) -> None:
        super().__init__(address, pipelined=pipelined)
        self._slot = slot

    def next(self) -> Invocation:
        """Wait for the next invocation; raises `RuntimeAPIError` when five attempts have failed."""
        self._slot.clear()
        for delay in DELAYS:
            try:
                return self._held(super().next())
            except RuntimeAPIError as error:  # noqa: PERF203
                again(error, delay)
                sleep(delay)
        return self._held(super().next())

    def _held(self, invocation: Invocation) -> Invocation:
        self._slot.hold(invocation.request_id, invocation.invocation_id)
        return invocation


def again(error: RuntimeAPIError, delay: float) -> None:
    """Say that an attempt has failed and when the next is made."""
    complain(f"{error}; trying again in {delay} s")
