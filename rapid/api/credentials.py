"""The credentials endpoint (2021-04-23) of one environment, in place of keys that a snapshot would keep.

It is served under SnapStart alone; AWS's SDKs ask it as they ask for a container's credentials.

Source: AWS developer guide, "Handling uniqueness with Lambda SnapStart" and "Security model for Lambda SnapStart"; AWS
SDKs and Tools reference guide, "Container credential provider".
"""

from __future__ import annotations

import hmac
import json
import secrets
import time
from dataclasses import dataclass, field

from starlette.types import Receive, Scope, Send

from rapid.asgi import JSON_TYPE, Face, header, respond
from rapid.telemetry.events import timestamp

CREDENTIALS = "/2021-04-23/credentials"

VALIDITY = 3600
"""Seconds after which a client is to ask again."""

UNKNOWN = b"cannot get credentials for the provided token\n"


def _token() -> str:
    return secrets.token_urlsafe(32)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What an environment is given, and by what it is known; only the key's id is ever shown.

    Attributes:
        access_key_id: as AWS gives it.
        secret_access_key: as AWS gives it.
        session_token: as AWS gives it; empty for the keys of a user.
        token: what a client must show.
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)
    token: str = field(default_factory=_token, repr=False)

    def document(self, epoch: float) -> bytes:
        """The answer at `epoch`, seconds since 1970."""
        told = {
            "AccessKeyId": self.access_key_id,
            "SecretAccessKey": self.secret_access_key,
            "Token": self.session_token,
            "Expiration": timestamp(epoch + VALIDITY),
        }
        return json.dumps(told, separators=(",", ":")).encode()


class CredentialsApi:
    """The one call; with no credentials nobody is known."""

    def __init__(self, credentials: Credentials | None) -> None:
        self._credentials = credentials

    def faces(self) -> list[Face]:
        """Method, path and server."""
        return [("GET", CREDENTIALS, self.get)]

    async def get(self, scope: Scope, _: Receive, send: Send) -> None:
        """`GET credentials`, with the environment's token in `Authorization`."""
        shown = (header(scope, b"authorization") or "").encode()
        known = self._credentials
        if known is None or not hmac.compare_digest(shown, known.token.encode()):
            head = [(b"content-type", b"text/plain; charset=utf-8"), (b"x-content-type-options", b"nosniff")]
            await respond(send, 404, head, UNKNOWN)
            return
        await respond(send, 200, [JSON_TYPE, (b"cache-control", b"no-store")], known.document(time.time()))
