"""The process that was started: it never imports user code, has workers that do, and replaces those that end.

All signals that it wants to know of are blocked and waited for, so that none comes at a bad time and no handler is left
in a worker. It runs on one thread, so that forking is safe, and waits for nothing but signals.
"""

from __future__ import annotations

import os
import sys
from time import monotonic

from ..client import complain
from ..paths import library_module
from .board import ALONE, GONE, LOADING, TOGETHER, Board
from .exits import reason_of
from .output import leave_framed_log
from .settings import count_of, way_of
from .worker import Loss, Worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from typing import Any, NoReturn

    from ..client import RuntimeClient

_MOST_ATTEMPTS = 5
_SHORTEST, _LONGEST = 0.1, 10.0
"""Seconds until a slot is tried again whose worker has ended without having served anything."""
_PATIENCE = 2.0
"""Seconds that workers have to end: the longest that Lambda gives an environment to shut down."""


def supervise(environ: MutableMapping[str, str], client: RuntimeClient) -> Worker:
    """Have workers that serve as many invocations at once as `AWS_LAMBDA_MAX_CONCURRENCY` says; returns in each.

    Here it ends with the last one, as that one did, or by the signal that asked for the end. `client` is not connected.
    """
    try:
        if environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
            raise ValueError(
                "AWS_LAMBDA_MAX_CONCURRENCY is set, and there is no SnapStart of several invocations at once"
            )
        supervisor = Supervisor(count_of(environ), way_of(environ), client)
    except ValueError as error:
        sys.exit(f"runtime: {error}")
    leave_framed_log(environ)
    return supervisor.run()


class _Child:
    """A worker, seen from here: its first slot, and the end of the pipe that tells it that we live."""

    def __init__(self, slot: int, lifeline: int) -> None:
        self.slot = slot
        self.lifeline = lifeline


class Supervisor:
    """`slots` invocations at once, kept apart in a `way` of `settings`."""

    def __init__(self, slots: int, way: str, client: RuntimeClient) -> None:
        self._board = Board(slots)
        self._slots = range(slots)
        self._way = way
        self._client = client
        self._children: dict[int, _Child] = {}
        self._attempts = [0] * slots
        self._serving = False
        self._ending = 0
        self._deadline: float | None = None
        self._signal: Any = library_module("signal")
        self._watched = {self._signal.SIGCHLD, self._signal.SIGTERM, self._signal.SIGINT}

    def run(self) -> Worker:
        """Start the first worker and, when it has loaded the handler, the others, if there are to be any."""
        self._signal.signal(self._signal.SIGCHLD, self._signal.SIG_DFL)  # whoever started us may have ignored it
        self._mask = self._signal.pthread_sigmask(self._signal.SIG_BLOCK, self._watched)
        status = 1 << 8  # of a worker that exits with 1: should there never be any
        worker = self._fork(0)
        while worker is None and self._children:
            self._wait()
            while worker is None and (ended := self._reap()):
                slot, status = ended
                worker = self._replace(slot, reason_of(status))
            if worker is None:
                worker = self._begin_to_serve()
        return worker or self._leave(status)

    def _wait(self) -> None:
        """Until something has happened to a worker, or for one to end."""
        if self._deadline is None:
            number = self._signal.sigwait(self._watched)
        else:
            signal = self._signal.sigtimedwait(self._watched, max(0.0, self._deadline - monotonic()))
            if signal is None:
                self._deadline = None
                self._send(self._signal.SIGKILL)
                return
            number = signal.si_signo
        if number != self._signal.SIGCHLD and not self._ending:
            self._ending = number
            self._deadline = monotonic() + _PATIENCE
            self._send(self._signal.SIGTERM)

    def _send(self, number: int) -> None:
        for pid in self._children:
            os.kill(pid, number)

    def _reap(self) -> tuple[int, int] | None:
        """First slot and status of a worker that has ended; others are orphans that the first process inherits."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return None
            if not pid:
                return None
            if child := self._children.pop(pid, None):
                os.close(child.lifeline)
                return child.slot, status

    def _replace(self, slot: int, reason: str) -> Worker | None:
        """Have another worker in the place of one that has ended, unless there is no use in it."""
        standing = self._board.standing(slot)
        if self._ending or standing == GONE or (standing == LOADING and not self._serving):
            return None
        slots = self._slots if standing == TOGETHER else (slot,)
        loss = Loss(reason, [held for each in slots if (held := self._board.held(each))])
        attempts = 0 if any(map(self._board.has_served, slots)) else self._attempts[slot] + 1
        self._attempts[slot] = attempts
        if attempts:
            loss.delay = min(_LONGEST, _SHORTEST * 2 ** (attempts - 1))
        for each in slots:
            self._board.renew(each)
        if standing == LOADING and attempts >= _MOST_ATTEMPTS:
            complain(f"a worker has ended before it could serve: {reason}; that was the last attempt of {attempts}")
            return None
        complain(f"a worker has ended: {reason}; another one takes its place")
        return self._fork(slot, loss)

    def _begin_to_serve(self) -> Worker | None:
        standing = self._board.standing(0)
        if self._serving or self._ending or standing not in (ALONE, TOGETHER):
            return None
        self._serving = True
        if standing == ALONE:
            for slot in self._slots[1:]:
                if worker := self._fork(slot):
                    return worker
        return None

    def _fork(self, slot: int, loss: Loss | None = None) -> Worker | None:
        """A new worker; returns in it."""
        reader, writer = os.pipe()
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            os.close(reader)
            os.close(writer)
            complain(f"there is no process for one of {len(self._slots)} invocations at once: {error}")
            return None
        if pid:
            os.close(reader)
            self._children[pid] = _Child(slot, writer)
            return None
        for child in self._children.values():
            os.close(child.lifeline)
        os.close(writer)
        _die_with_writer(reader, self._signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        self._signal.pthread_sigmask(self._signal.SIG_SETMASK, self._mask)
        return Worker(self._client, self._board, slot, self._slots, self._way, is_first=not self._serving, loss=loss)

    def _leave(self, status: int) -> NoReturn:
        number = self._ending or (os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0)
        if number and os.getpid() != 1:
            if number != self._signal.SIGKILL:
                self._signal.signal(number, self._signal.SIG_DFL)
            self._signal.pthread_sigmask(self._signal.SIG_SETMASK, self._mask)
            os.kill(os.getpid(), number)
        sys.exit(0 if self._ending else 128 + number if number else os.WEXITSTATUS(status))


def _die_with_writer(reader: int, number: int) -> None:
    """Have this process be sent that signal when the other end of the pipe is closed, however its owner has ended.

    It is what PR_SET_PDEATHSIG does, which Python has no call for.
    """
    fcntl: Any = library_module("fcntl")
    try:
        fcntl.fcntl(reader, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(reader, fcntl.F_SETSIG, number)
        fcntl.fcntl(reader, fcntl.F_SETFL, os.O_ASYNC)
    except OSError as error:
        complain(f"a worker may outlive the runtime's first process if that is killed: {error}")
