"""The listener on the wire: bodies of each kind, and what is no batch."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from extensions import listener
from extensions.listener import LOOPBACK, Listener

BATCH = [{"time": "2026-01-02T03:04:05.006Z", "type": "function", "record": "hello ✓"}]
BODY = json.dumps(BATCH).encode()
SIZED = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
CHUNKED = (
    b"POST /x HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n"
    + b"".join(b"%x;note=1\r\n%b\r\n" % (len(piece), piece) for piece in (BODY[:7], BODY[7:]))
    + b"0\r\nTrailer: here\r\n\r\n"
)


def heard(
    *pieces: bytes, take: Callable[[list[Any]], Awaitable[None]] | None = None, lines: int = 1
) -> tuple[list[str], list[Any]]:
    """Status lines that come back for some bytes, and the batches that were taken."""
    taken: list[Any] = []

    async def keep(batch: list[Any]) -> None:
        taken.append(batch)

    async def talk() -> list[str]:
        server = Listener(take or keep)
        reader, writer = await asyncio.open_connection(LOOPBACK, await server.start())
        try:
            writer.write(b"".join(pieces))
            answers: list[str] = []
            while len(answers) < lines:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                answers.append(head.partition("\r\n")[0].partition(" ")[2] + (" last" if "close" in head else ""))
            return answers
        finally:
            writer.close()
            await writer.wait_closed()
            await server.close()

    return asyncio.run(asyncio.wait_for(talk(), 20)), taken


@pytest.mark.parametrize("request_", [SIZED, CHUNKED, SIZED.replace(b"POST", b"PUT")])
def test_batches_are_taken_whatever_their_framing(request_: bytes) -> None:
    assert heard(request_) == (["200 OK"], [BATCH])


def test_one_connection_carries_many_batches() -> None:
    assert heard(SIZED, CHUNKED, SIZED, lines=3) == (["200 OK"] * 3, [BATCH] * 3)


def test_a_client_that_wants_to_close_is_told_so() -> None:
    assert heard(SIZED.replace(b"1.1", b"1.0"))[0] == ["200 OK last"]
    assert heard(SIZED.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))[0] == ["200 OK last"]


def test_a_client_that_asks_before_it_sends_is_told_to_go_on() -> None:
    asking = SIZED.replace(b"\r\n", b"\r\nExpect: 100-continue\r\n", 1)
    assert heard(asking, lines=2) == (["100 Continue", "200 OK"], [BATCH])


@pytest.mark.parametrize("body", [b"", b"{", b"{}", b"[1]", b'"OK"'])
def test_what_is_no_batch_is_refused(body: bytes) -> None:
    request = b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    assert heard(request, SIZED, lines=2) == (["400 Bad Request", "200 OK"], [BATCH])


def test_other_methods_are_refused() -> None:
    assert heard(b"GET / HTTP/1.1\r\n\r\n") == (["405 Method Not Allowed"], [])


@pytest.mark.parametrize(
    "request_",
    [
        b"POST / HTTP/1.1\r\nContent-Length: 1001\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3E9\r\n",
    ],
)
def test_a_body_over_the_bound_is_refused_before_it_is_read(request_: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "BODY_BYTES", 1000)
    assert heard(request_) == (["413 Content Too Large last"], [])


def test_a_body_that_does_not_come_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "BODY_SECONDS", 0.05)
    with pytest.raises(asyncio.IncompleteReadError):
        heard(SIZED[:-1])


@pytest.mark.parametrize("noise", [b"\x16\x03\x01\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"])
def test_what_is_no_http_is_left_without_an_answer(noise: bytes) -> None:
    with pytest.raises(asyncio.IncompleteReadError):
        heard(noise)


def test_a_batch_that_cannot_be_taken_is_answered_so() -> None:
    async def refuse(batch: list[Any]) -> None:
        raise OSError

    assert heard(SIZED, take=refuse)[0] == ["500 Internal Server Error"]


def test_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "CONNECTIONS", 0)
    assert heard(SIZED) == (["503 Service Unavailable last"], [])


@pytest.mark.parametrize("sandbox", ["127.0.0.2", LOOPBACK, "192.0.2.1", "nowhere.invalid"])
def test_it_listens_where_the_sandbox_is_if_that_is_this_host(sandbox: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "SANDBOX", sandbox)

    async def reached() -> list[str]:
        server = Listener(_nothing)
        port = await server.start()
        hosts = []
        for host in (LOOPBACK, "127.0.0.2"):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(host, port)
                hosts.append(host)
                writer.close()
                await writer.wait_closed()
        await server.close()
        return hosts

    assert asyncio.run(reached()) == [LOOPBACK, *(["127.0.0.2"] if sandbox == "127.0.0.2" else [])]


def test_a_taken_port_is_an_error() -> None:
    async def twice() -> None:
        first, second = Listener(_nothing), Listener(_nothing)
        try:
            await second.start(await first.start())
        finally:
            await first.close()

    with pytest.raises(OSError, match="in use"):
        asyncio.run(twice())


async def _nothing(batch: list[Any]) -> None:
    pass
