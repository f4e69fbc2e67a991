"""The part of the Runtime API (2018-06-01) that is served under SnapStart alone: the snapshot point and the restore.

Source: AWS developer guide, "Implement code before or after Lambda function snapshots" for custom runtimes.
"""

from __future__ import annotations

from starlette.types import Receive, Scope, Send

from rapid.api import answers
from rapid.api.polling import hear
from rapid.api.runtime import ACCEPTED, error_body
from rapid.asgi import JSON_TYPE, Face, respond
from rapid.core.machine import RuntimeInput, invalid_transition
from rapid.environments.polls import Signal
from rapid.environments.snapshot_point import SnapshotPoint

RESTORE_NEXT = "/2018-06-01/runtime/restore/next"
RESTORE_ERROR = "/2018-06-01/runtime/restore/error"


class RestoreApi:
    """The calls, each an ASGI callable that may raise `Refused`."""

    def __init__(self, point: SnapshotPoint) -> None:
        self._point = point

    def faces(self) -> list[Face]:
        """Method, path and server of every call."""
        return [("GET", RESTORE_NEXT, self.next), ("POST", RESTORE_ERROR, self.error)]

    async def next(self, _: Scope, receive: Receive, send: Send) -> None:
        """`GET restore/next`: park until the environment is restored.

        The answer is empty and has a type all the same: some clients (awslambdaric's native one) need one to read it.
        """
        heard = await hear(self._point.polls, self._point.next(), receive)
        if heard is None:
            return
        if isinstance(heard, Signal):
            raise invalid_transition("Exited", RuntimeInput.RESTORE_NEXT)
        await respond(send, 200, [JSON_TYPE], b"")

    async def error(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`POST restore/error`: the hooks behind the snapshot failed; the body goes to the caller that waits."""
        body = await error_body(receive)
        if body is None:
            return
        self._point.error(answers.restore_error(scope, body))
        await respond(send, 202, [JSON_TYPE], ACCEPTED)
