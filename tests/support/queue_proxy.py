"""A stand-in for Knative's queue-proxy, as far as a container can tell the difference.

It passes on what the container may have at once, keeps a bounded number waiting, answers the probes of the activator by
asking the container's own, and drains when its admin port is asked to, before the container gets its SIGTERM.

Source: knative/serving, pkg/queue (breaker, probe handler) and cmd/queue (drain).
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.callers import Kept
from tests.support.program import PATIENCE, Reply, call

PROBE = "K-Network-Probe"
WAIT_FOR_DRAIN = "/wait-for-drain"
HOP_BY_HOP = ("connection", "keep-alive", "transfer-encoding", "content-length")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, proxy: QueueProxy, handler: type[BaseHTTPRequestHandler]) -> None:
        self.proxy = proxy
        super().__init__(("127.0.0.1", 0), handler)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def answer(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            if name not in HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)


class _Serving(_Handler):
    """The port that callers reach."""

    def setup(self) -> None:
        super().setup()
        self.upstream = Kept(self.server.proxy.container)

    def finish(self) -> None:
        self.upstream.close()
        super().finish()

    def do_GET(self) -> None:
        proxy = self.server.proxy
        if self.headers.get(PROBE):
            self.answer(proxy.probe())
        else:
            self.answer(proxy.pass_on(self.upstream, self.command, self.path, None, dict(self.headers)))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer(self.server.proxy.pass_on(self.upstream, self.command, self.path, body, dict(self.headers)))


class _Admin(_Handler):
    """The port that the container's preStop hook asks."""

    def do_GET(self) -> None:
        if self.path == WAIT_FOR_DRAIN:
            self.server.proxy.drain()
            self.answer(Reply(200, {}, b""))
        else:
            self.answer(Reply(404, {}, b""))


class QueueProxy:
    """One in front of one container.

    Args:
        container: host:port of the container.
        ready_path: asked by probes.
        concurrency: `containerConcurrency`: requests that the container is given at once.
        waiting: requests that may wait; others are answered with 503.
        quiet: seconds without a request after which it is drained (Knative: 30).

    Attributes:
        most: the most requests that the container had at once.
    """

    def __init__(
        self, container: str, ready_path: str = "/readyz", concurrency: int = 4, waiting: int = 40, quiet: float = 1.0
    ) -> None:
        self.container = container
        self.most = 0
        self._ready_path = ready_path
        self._concurrency = concurrency
        self._most_waiting = waiting
        self._quiet = quiet
        self._running = self._waiting = 0
        self._free = threading.Condition()
        self._arrived = 0
        self._draining = False
        self._serving, self._admin = _Server(self, _Serving), _Server(self, _Admin)

    @property
    def address(self) -> str:
        """Where callers call."""
        return self._serving.address

    @property
    def admin(self) -> str:
        """Where the preStop hook asks."""
        return self._admin.address

    def probe(self) -> Reply:
        """Whether requests are welcome: not while it drains, else as the container says."""
        if self._draining:
            return Reply(503, {}, b"draining")
        try:
            ready = call(self.container, "GET", self._ready_path).status == 200
        except (OSError, http.client.HTTPException):
            ready = False
        return Reply(200 if ready else 503, {}, b"queue")

    def pass_on(self, upstream: Kept, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Reply:
        """One request, as soon as the container may have it."""
        with self._free:
            self._arrived += 1
            if self._waiting >= self._most_waiting:
                return Reply(503, {}, b"pending request queue full")
            self._waiting += 1
            free = self._free.wait_for(lambda: self._running < self._concurrency, PATIENCE)
            self._waiting -= 1
            if not free:
                return Reply(504, {}, b"activator request timeout")
            self._running += 1
            self.most = max(self.most, self._running)
        try:
            passed = {name: value for name, value in headers.items() if name.lower() not in HOP_BY_HOP}
            return upstream.call(method, path, body, passed)
        except (OSError, http.client.HTTPException) as error:
            upstream.close()
            return Reply(502, {}, repr(error).encode())
        finally:
            with self._free:
                self._running -= 1
                self._free.notify_all()

    def drain(self) -> None:
        """Probes fail from now on; returns when nothing has come, or run, for the quiet time."""
        self._draining = True
        with self._free:
            seen = -1
            while seen != self._arrived or self._running:
                seen = self._arrived
                self._free.wait_for(lambda before=seen: self._arrived != before, self._quiet)  # type: ignore[misc]

    @contextmanager
    def running(self) -> Iterator[QueueProxy]:
        """Serve until the end of the block."""
        servers = (self._serving, self._admin)
        threads = [threading.Thread(target=server.serve_forever, args=(0.05,)) for server in servers]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            for server, thread in zip(servers, threads, strict=True):
                server.shutdown()
                thread.join()
                server.server_close()
