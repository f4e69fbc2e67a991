"""A response on its way from the runtime to a caller who reads it as it comes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

HIGH_WATER = 256 * 1024
"""Bytes that may wait for the caller before the function is held up."""


class ResponseStream:
    """A bounded queue of pieces, with one writer and one reader.

    A caller that leaves does not stop the function: what it would have read is dropped (AWS: "Lambda doesn't cancel
    the invocation").

    Attributes:
        content_type: the response's own type, once it has begun.
        written: bytes that the function has written.
    """

    def __init__(self) -> None:
        self.content_type = "application/octet-stream"
        self.written = 0
        self._pieces: deque[bytes] = deque()
        self._waiting = 0
        self._closed = False
        self._abandoned = False
        self._news = asyncio.Event()
        self._room = asyncio.Event()

    def begin(self, content_type: str | None) -> None:
        """The runtime has begun to answer."""
        self.content_type = content_type or self.content_type
        self._news.set()

    async def begun(self) -> None:
        """Wait until it has begun, or is over."""
        while not self._news.is_set():
            await self._news.wait()

    async def write(self, piece: bytes) -> None:
        """Pass a piece on; waits while the caller has too much to read."""
        self.written += len(piece)
        while self._waiting >= HIGH_WATER and not self._over:
            self._room.clear()
            await self._room.wait()
        if piece and not self._over:
            self._pieces.append(piece)
            self._waiting += len(piece)
            self._news.set()

    def close(self) -> None:
        """Nothing more will come."""
        self._closed = True
        self._news.set()
        self._room.set()

    def abandon(self) -> None:
        """The caller reads no more."""
        self._abandoned = True
        self._pieces.clear()
        self._room.set()

    async def pieces(self) -> AsyncIterator[bytes]:
        """Every piece, until the response is over."""
        while True:
            while self._pieces:
                piece = self._pieces.popleft()
                self._waiting -= len(piece)
                self._room.set()
                yield piece
            if self._closed:
                return
            self._news.clear()
            await self._news.wait()

    @property
    def _over(self) -> bool:
        return self._closed or self._abandoned
