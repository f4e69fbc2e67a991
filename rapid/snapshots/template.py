"""The client of a template: an initialised runtime that waits at the snapshot point, to be forked.

A template listens on a unix stream socket and serves one connection after the other: one line of JSON each way,
descriptors beside the request. A fork keeps the connection that asked for it, and waits there for its "go".
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

PATIENCE = 5.0
"""Seconds for any answer: a template forks in milliseconds, and one that does not answer is of no use."""

MAX_ANSWER = 4 * 1024 * 1024
"""Bytes of an answer; the longest is the list of all files that a function has loaded."""

T = TypeVar("T")


class TemplateError(Exception):
    """A template does not do what it is asked for; the text is the reason, a sentence."""


class NobodyListens(TemplateError):
    """There is no template at its socket."""


@dataclass(frozen=True, slots=True)
class Description:
    """What a template tells of itself.

    Attributes:
        pid: its number.
        threads: names of the threads that are alive in it besides the main one: no fork has them.
        sockets: how many internet connections it has open: all forks would share them.
        files: paths of what the function has loaded.
    """

    pid: int
    threads: list[str] = field(default_factory=list)
    sockets: int = 0
    files: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Forked:
    pid: int


class Connection:
    """A connection to a template, or to a fork of it.

    Raises:
        NobodyListens: nobody listens there.
    """

    def __init__(self, path: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            self._sock.connect(path)  # at once, or never: there is room in the template's backlog or there is not
        except OSError as error:
            self._sock.close()
            raise NobodyListens(f"it cannot be reached at {path}: {(error.strerror or str(error)).lower()}") from None

    async def ask(self, request: Mapping[str, object], descriptors: Sequence[int] = ()) -> object:
        """The answer to a request.

        Raises:
            TemplateError: it refuses, answers nonsense, or nothing within `PATIENCE`.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                await self._send(_line(request), descriptors)
                answer: object = json.loads(await self._receive())
        except TimeoutError:
            raise TemplateError(f"it has not answered {request['do']!r} within {PATIENCE:g} s") from None
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise TemplateError(f"the connection broke while {request['do']!r} was asked: {reason}") from None
        except ValueError:
            raise TemplateError(f"it has answered {request['do']!r} with something that is no JSON") from None
        if isinstance(answer, dict) and "error" in answer:
            raise TemplateError(str(answer["error"]))
        return answer

    def tell(self, request: Mapping[str, object]) -> None:
        """Send a short request that nothing is answered to, at once; one who has left does not hear it."""
        with contextlib.suppress(OSError):
            self._sock.send(_line(request), socket.MSG_NOSIGNAL)

    def close(self) -> None:
        """Hang up."""
        self._sock.close()

    async def _send(self, data: bytes, descriptors: Sequence[int]) -> None:
        beside = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", descriptors))] if descriptors else []
        sent = self._sock.sendmsg([data], beside, socket.MSG_NOSIGNAL)  # a new connection takes at least a part
        if sent < len(data):
            await self._loop.sock_sendall(self._sock, data[sent:])

    async def _receive(self) -> bytes:
        line = bytearray()
        while not line.endswith(b"\n"):
            piece = await self._loop.sock_recv(self._sock, 65536)
            if not piece or len(line) > MAX_ANSWER:
                raise ConnectionResetError(0, "it hung up" if not piece else "the answer is too long")
            line += piece
        return bytes(line)


class TemplateClient:
    """Asks a template.

    Args:
        path: of its socket.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    async def describe(self) -> Description:
        """What it is; raises `TemplateError`."""
        return await self._asked({"do": "describe"}, Description)

    async def quiesce(self) -> None:
        """Let go of everything that is open to the outside; raises `TemplateError`."""
        await self._asked({"do": "quiesce"}, dict)

    async def fork(
        self, environ: Mapping[str, str | None], cwd: str | None, descriptors: Sequence[int]
    ) -> tuple[int, Connection]:
        """A new process, which waits for its "go" on the connection: its number.

        Args:
            environ: variables to set, or to remove (None).
            cwd: its working directory; None: the template's.
            descriptors: what it is to write to: its output, and its framed log, if it has one.

        Raises:
            TemplateError: there is none.
        """
        request = {"do": "fork", "environ": environ, **({} if cwd is None else {"cwd": cwd})}
        connection = Connection(self._path)
        with contextlib.ExitStack() as undo:
            undo.callback(connection.close)
            forked = _read(await connection.ask(request, descriptors), _Forked, "fork")
            if forked.pid <= 1 or forked.pid == os.getpid():
                raise TemplateError(f"it names {forked.pid} as the number of a fork")
            undo.pop_all()
        return forked.pid, connection

    async def _asked(self, request: Mapping[str, object], kind: type[T]) -> T:
        connection = Connection(self._path)
        try:
            return _read(await connection.ask(request), kind, str(request["do"]))
        finally:
            connection.close()


def _line(request: Mapping[str, object]) -> bytes:
    return json.dumps(request).encode() + b"\n"


def _read(answer: object, kind: type[T], asked: str) -> T:
    try:
        return msgspec.convert(answer, kind)
    except msgspec.ValidationError as error:
        raise TemplateError(f"it has answered {asked!r} with something else: {error}") from None
