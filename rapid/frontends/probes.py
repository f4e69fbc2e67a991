"""Probes: is rapid alive, and are invocations welcome?

Alive is not ready: the one says whether a restart would help, the other whether to send invocations here. A handler
that is busy, or has failed, says nothing against the first.
"""

from __future__ import annotations

from typing import Protocol

from starlette.types import Receive, Scope, Send

from rapid.asgi import JSON_TYPE, Face, json_line, respond

NOT_KEPT = (b"cache-control", b"no-store")


class Readiness(Protocol):
    """Knows whether invocations are welcome."""

    def unready(self) -> str | None:
        """Why not, in a few words; None when they are."""


class Probes:
    """The paths that orchestrators and load balancers ask.

    Args:
        readiness: whether invocations are welcome.
        health_path: answered with 200 as long as rapid runs.
        ready_path: answered with 200 while invocations are welcome, else with 503 and the reason.
    """

    def __init__(self, readiness: Readiness, health_path: str, ready_path: str) -> None:
        self._readiness = readiness
        self._paths = (health_path, ready_path)

    def faces(self) -> list[Face]:
        """What is served where."""
        health_path, ready_path = self._paths
        return [("GET", health_path, self.health), ("GET", ready_path, self.ready)]

    async def health(self, _: Scope, __: Receive, send: Send) -> None:
        """rapid is alive: it has answered."""
        await respond(send, 200, [JSON_TYPE, NOT_KEPT], json_line({"status": "ok"}))

    async def ready(self, _: Scope, __: Receive, send: Send) -> None:
        """Whether invocations are welcome."""
        reason = self._readiness.unready()
        if reason is None:
            await respond(send, 200, [JSON_TYPE, NOT_KEPT], json_line({"status": "ready"}))
        else:
            await respond(send, 503, [JSON_TYPE, NOT_KEPT], json_line({"status": "not ready", "reason": reason}))
