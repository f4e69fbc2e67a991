"""Callers who keep their connections, as SDKs and proxies do, and a load of them. Nobody tries anything twice."""

from __future__ import annotations

import http.client
import select
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from tests.support.program import PATIENCE, Reply

INVOKE = "/2015-03-31/functions/function/invocations"


class Kept:
    """A connection that is kept for as long as the server keeps it."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self.address = address
        self._connection = http.client.HTTPConnection(host, int(port), timeout=PATIENCE)

    def kept(self) -> bool:
        """Whether the next request goes over the same connection; one that the server has closed is let go of."""
        if self._connection.sock is None:
            return False
        poll = select.poll()  # `select` knows no descriptor above 1023
        poll.register(self._connection.sock, select.POLLIN)
        if poll.poll(0):
            self.close()
        return self._connection.sock is not None

    def call(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """One request; on a fresh connection where the last answer, or the server since, has closed it."""
        self.kept()
        self._connection.request(method, path, body, dict(headers or {}))
        response = self._connection.getresponse()
        return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())

    def close(self) -> None:
        self._connection.close()


class Load:
    """What a number of callers have seen.

    Attributes:
        answers: how many were right, by the address that gave them.
        failures: what was not.
    """

    def __init__(self, pick: Callable[[], str], events: Callable[[int], bytes], *, per_connection: bool) -> None:
        self.answers: Counter[str] = Counter()
        self.failures: list[str] = []
        self._pick = pick
        self._events = events
        self._per_connection = per_connection
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._sent = 0

    @property
    def total(self) -> int:
        with self._lock:
            return self.answers.total()

    def from_(self, address: str) -> int:
        """Right answers from there."""
        with self._lock:
            return self.answers[address]

    def _caller(self) -> None:
        kept: dict[str, Kept] = {}
        last: Kept | None = None
        while not self._over.is_set():
            if not self._per_connection or last is None or not last.kept():
                address = self._pick()
                last = kept.setdefault(address, Kept(address))
            self._call(last)
        for each in kept.values():
            each.close()

    def _call(self, kept: Kept) -> None:
        with self._lock:
            self._sent += 1
            body = self._events(self._sent)
        try:
            reply = kept.call("POST", INVOKE, body)
        except (OSError, http.client.HTTPException) as error:
            kept.close()
            self._failed(f"{kept.address}: {error!r}")
            return
        if reply.status != 200 or "x-amz-function-error" in reply.headers:
            self._failed(f"{kept.address}: {reply}")
            return
        with self._lock:
            self.answers[kept.address] += 1

    def _failed(self, what: str) -> None:
        with self._lock:
            self.failures.append(what)
        self._over.wait(0.05)  # who is refused comes back, but not at once

    @contextmanager
    def running(self, callers: int) -> Iterator[Load]:
        """Callers who call all the time, until the end of the block."""
        threads = [threading.Thread(target=self._caller) for _ in range(callers)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._over.set()
            for thread in threads:
                thread.join()
