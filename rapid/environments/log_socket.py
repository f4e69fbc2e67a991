"""Output of a runtime's worker processes, each through a connection of its own.

A worker connects, and makes the connection its standard output, or its error output (awslambdaric does so for each of
the processes that it forks). So their lines cannot mix.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import shutil
import socket
import tempfile

from rapid.environments.pipe import CHUNK
from rapid.environments.sink import OutputSink

VARIABLE = "_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET"
"""Tells a runtime where the socket is."""

BACKLOG = 1024
"""Connections that may wait to be taken."""


class LogSocket:
    """A unix socket in a folder of its own, and all that is connected to it.

    The loop watches one descriptor for all of them, and one question tells which have something.

    Attributes:
        path: where to connect.

    Raises:
        OSError: there is no place for it.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._sink: OutputSink | None = None
        self._folder = tempfile.mkdtemp(prefix="rapid-")
        self.path = os.path.join(self._folder, "log")
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._connections: dict[int, tuple[socket.socket, OutputSink]] = {}
        try:
            self._listener.bind(self.path)
            self._listener.listen(BACKLOG)
        except OSError:
            self._listener.close()
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        self._listener.setblocking(False)
        self._ready = select.epoll()
        self._ready.register(self._listener, select.EPOLLIN)

    def listen(self, sink: OutputSink) -> None:
        """Take connections, and what comes through them, whenever there is something.

        Args:
            sink: of the process; each connection gets another one.
        """
        self._sink = sink
        self._loop.add_reader(self._ready, self.drain)

    def drain(self) -> None:
        """Take in all that has been written by now."""
        more = not self._ready.closed
        while more:
            more = False
            for fd, _ in self._ready.poll(0):
                more |= self._accept() if fd == self._listener.fileno() else self._read(fd)

    def close(self) -> None:
        """Nobody writes any more."""
        if self._ready.closed:
            return
        self._loop.remove_reader(self._ready)
        self._ready.close()
        self._listener.close()
        for connection, sink in self._connections.values():
            connection.close()
            sink.end()
        self._connections.clear()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _accept(self) -> bool:
        """Take a connection, and whether there may be something to read."""
        assert self._sink is not None  # nobody listens before
        try:
            connection, _ = self._listener.accept()
        except OSError:  # it has left already, or there is no descriptor left for it
            return False
        connection.setblocking(False)
        self._connections[connection.fileno()] = connection, self._sink.another()
        self._ready.register(connection, select.EPOLLIN)
        return True

    def _read(self, fd: int) -> bool:
        """Take one piece; False when there is nothing more for now."""
        connection, sink = self._connections[fd]
        data = b""
        with contextlib.suppress(OSError):
            data = connection.recv(CHUNK)
        if not data:
            self._ready.unregister(fd)
            connection.close()
            del self._connections[fd]
            sink.end()
            return False
        if not sink.output(data):
            self._ready.unregister(fd)
            sink.on_drained(lambda: self._resume(fd, connection))
            return False
        return len(data) == CHUNK

    def _resume(self, fd: int, connection: socket.socket) -> None:
        if not self._ready.closed and connection.fileno() == fd:
            self._ready.register(fd, select.EPOLLIN)
