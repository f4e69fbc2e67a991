"""A snapshot that is a process: it has been initialised, and is forked for each environment; it serves none itself.

What it is asked comes over a unix socket, as one JSON line that is answered by one: `describe`, `quiesce`, `fork`
(docs/snapshots.md). It runs no code of the function any more, save for threads that the function has started.
"""

from __future__ import annotations

import _socket
import gc
import os
import stat
import sys

from ..logs import log
from ..paths import library_module
from . import contents
from .executors import Executors
from .fork import Fork
from .loops import Loops
from .messages import Channel, RefusedError
from .output import Output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TextIO

    from ..client import RuntimeClient
    from .messages import Request
    from .vgetrandom import States

    NewClient = Callable[[Mapping[str, str]], RuntimeClient]


def listen(path: str) -> Template | None:
    """A template that listens at `path`, for its own user alone; None, and a word on standard error, if it cannot."""
    listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        _remove(path)  # of a process that had the place before
        os.fchmod(listener.fileno(), 0o600)
        listener.bind(path)
        listener.listen(16)
        listener.setblocking(False)  # whoever has left before being accepted is not waited for
    except (OSError, ValueError) as error:
        listener.close()
        sys.stderr.write(f"runtime: RAPID_TEMPLATE_SOCKET is '{path}': {error}; this process cannot be forked\n")
        return None
    return Template(listener, path)


def _remove(path: str) -> None:
    try:
        if stat.S_ISSOCK(os.lstat(path).st_mode):
            os.unlink(path)
    except FileNotFoundError:
        pass


class Template:
    """Serves requests until its process is ended, or is itself restored."""

    def __init__(self, listener: _socket.socket, path: str) -> None:
        self._listener = listener
        self._path = path
        self._channels: dict[int, Channel] = {}
        self._api: int | None = None
        self._states: States | None = None  # since it is ready for the disk

    def wait(self, client: RuntimeClient, new_client: NewClient) -> RuntimeClient:
        """Be the snapshot: returns in each process that is forked, and in this one if the Runtime API restores it.

        Raises `RuntimeAPIError` when the Runtime API refuses to, or has gone.
        """
        self._client = client
        termination = _Termination()
        _open_standard_descriptors()
        _flush_all()
        self._output = Output()
        self._loops, self._executors = Loops(), Executors()
        gc.collect()
        gc.freeze()  # the collector would write to, and so copy, every page of every fork
        self._api = client.ask_to_be_restored()
        fork = self._serve()
        if fork is None:
            _remove(self._path)
            self._leave()
            client.wait_to_be_restored()
        else:
            fork.take_over()
            self._loops.make_own()
            self._executors.make_own()
            client = new_client(os.environ)
        self._output.open()
        termination.undo()
        return client

    def _serve(self) -> Fork | None:
        """Answer requests. A new process comes out with what it is to be; None: the Runtime API has said something."""
        select = library_module("select")
        while True:
            poll = select.poll()
            api = [] if self._api is None else [self._api]
            for descriptor in (self._listener.fileno(), *self._channels, *api):
                poll.register(descriptor, select.POLLIN)
            for descriptor, _event in poll.poll():
                if descriptor == self._api:
                    return None
                if descriptor == self._listener.fileno():
                    self._accept()
                elif descriptor in self._channels:
                    fork = self._answer(self._channels[descriptor])
                    if fork is not None:
                        return fork

    def _accept(self) -> None:
        try:
            descriptor, _peer = self._listener._accept()  # type: ignore[attr-defined]  # `socket` is built on it
        except OSError:
            return  # it has left already
        channel = Channel(_socket.socket(fileno=descriptor))
        self._channels[channel.fileno()] = channel

    def _answer(self, channel: Channel) -> Fork | None:
        request = None
        try:
            request = channel.receive()
            if request is None:
                self._forget(channel)
                return None
            return self._do(request, channel)
        except RefusedError as error:
            channel.send({"error": str(error)})
            if request is None:
                self._forget(channel)  # there is no knowing where the next line begins
        finally:
            if request is not None:
                request.close()
        return None

    def _do(self, request: Request, channel: Channel) -> Fork | None:
        wanted = request.fields.get("do")
        if wanted == "fork":
            return self._fork(request, channel)
        if wanted == "describe":
            own = () if self._api is None else (self._api,)
            channel.send(contents.describe(own, self._executors.idle_threads()))
        elif wanted == "quiesce":
            self._quiesce(channel)
        else:
            raise RefusedError(f"{wanted!r} is not one of describe, quiesce, fork, which a template can do")
        return None

    def _fork(self, request: Request, channel: Channel) -> Fork | None:
        fork = Fork(request)
        if self._states is not None:
            self._states.wipe_in_forks()
        if not fork.split(channel, self._output):
            self._forget(channel)  # it is the new process' now
            return None
        del self._channels[channel.fileno()]
        self._leave()
        self._client.disconnect()
        fork.wait_for_go(channel)
        return fork

    def _quiesce(self, channel: Channel) -> None:
        """Let go of what is outside of this process, which is about to be written to disk."""
        from .vgetrandom import States

        self._states = States()
        self._client.disconnect()
        self._api = None
        log.write_to(None)
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(nothing, descriptor)
        os.close(nothing)
        for other in [*self._channels.values()]:
            if other is not channel:
                self._forget(other)
        self._states.wipe()
        channel.send({"ok": True})
        self._forget(channel)

    def _forget(self, channel: Channel) -> None:
        self._channels.pop(channel.fileno(), None)
        channel.close()

    def _leave(self) -> None:
        """Close this process' end of all that is a template's."""
        self._listener.close()
        for channel in [*self._channels.values()]:
            self._forget(channel)


class _Termination:
    """SIGTERM ends a template, whatever the function does on it; what it does is for the environments."""

    def __init__(self) -> None:
        self._signal: Any = library_module("signal")
        self._before: Any = self._signal.getsignal(self._signal.SIGTERM)
        if self._before is not None and os.getpid() != 1:  # None: not set from Python
            self._signal.signal(self._signal.SIGTERM, self._signal.SIG_DFL)

    def undo(self) -> None:
        """From here on it is as the function has it."""
        if self._before is not None:
            self._signal.signal(self._signal.SIGTERM, self._before)


def _open_standard_descriptors() -> None:
    """Have something at 0, 1 and 2, whatever the function has closed: no descriptor that comes in is to land there."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


def _flush_all() -> None:
    """What the streams still hold would be written by every fork."""
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        if stream is not None:
            _flush(stream)


def _flush(stream: TextIO) -> None:
    try:
        stream.flush()
    except Exception:
        return  # closed, or of the function's own making
