"""Plays the parts of a transcript against a server, wherever it runs."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from tests.conformance.expect import captured, differences
from tests.conformance.steps import (
    Absent,
    Ask,
    Await,
    Ends,
    Exits,
    Expected,
    Leaves,
    Starts,
    Step,
    Stops,
    Waits,
)
from tests.conformance.transcript import Transcript
from tests.conformance.words import fill_in
from tests.support.program import PATIENCE, Reply


@dataclass(frozen=True)
class Request:
    """An HTTP request; `cut` bytes of the body that is announced are never sent."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes | None = None
    chunked: bool = False
    trailers: Mapping[str, str] = field(default_factory=dict)
    cut: int = 0


class Target(Protocol):
    """A server under test."""

    name: str

    async def send(self, listener: str, request: Request) -> Reply | None:
        """Send to `invoke` or `api`; None when the client hung up in the middle of its request."""

    async def settle(self, listener: str) -> None:
        """Let the server take in what was sent before."""

    def started(self, party: str) -> int:
        """How many times that process has been started."""

    def alive(self, party: str, start: int) -> bool:
        """Whether the process of its start of that number, from 1, still runs."""

    async def exit(self, party: str, status: int) -> None:
        """Have that process leave."""

    async def stop(self) -> None:
        """Have the server begin to go down."""


async def until(ask: Callable[[], bool], what: str) -> None:
    """Wait for it, in steps of milliseconds: processes tell nobody that they have begun or ended."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while not ask():
        assert asyncio.get_running_loop().time() < deadline, f"waited {PATIENCE} s for {what}"
        await asyncio.sleep(0.002)


class Player:
    """All parts of one transcript."""

    def __init__(self, transcript: Transcript, target: Target) -> None:
        self._transcript = transcript
        self._target = target
        self._words = dict(transcript.words)
        self._parked: dict[str, asyncio.Task[Reply | None]] = {}
        self._met = Counter({"runtime": 0 if transcript.fresh else target.started("runtime")})
        """Starts of each process that the transcript has seen."""

    async def play(self) -> None:
        """Play all steps.

        Raises:
            AssertionError: something else came back.
        """
        try:
            for number, step in enumerate(self._transcript.steps, 1):
                await self._numbered(number, step)
        finally:
            for task in self._parked.values():
                task.cancel()
            await asyncio.gather(*self._parked.values(), return_exceptions=True)

    async def _numbered(self, number: int, step: Step) -> None:
        try:
            await self._step(step)
        except AssertionError as error:
            raise AssertionError(f"step {number}: {error}\n{step}") from None
        except TimeoutError:
            raise AssertionError(f"step {number}: nothing came in {PATIENCE} s\n{step}") from None

    async def _step(self, step: Step) -> None:
        match step:
            case Ask():
                await self._ask(step)
            case Await():
                self._check(step, await self._in_time(self._parked.pop(step.label)))
            case Waits():
                assert not self._parked[step.label].done(), f"{step.label} has been answered"
            case Leaves():
                self._parked[step.label].cancel()
                await asyncio.gather(self._parked.pop(step.label), return_exceptions=True)
            case Starts():
                self._met[step.party] += 1
                await self._up(step.party)
            case Absent():
                assert not self._target.started(step.party), f"{step.party} has been started"
            case Ends():
                await self._up(step.party)
                seen = self._met[step.party]
                if step.already:
                    assert not self._target.alive(step.party, seen), f"{step.party} is still there"
                await until(lambda: not self._target.alive(step.party, seen), f"the end of {step.party}")
            case Exits():
                await self._up(step.party)
                await self._target.exit(step.party, int(fill_in(step.status, self._words)))
            case Stops():
                await self._target.stop()

    async def _up(self, party: str) -> None:
        wanted = self._met[party] = max(self._met[party], 1)
        await until(lambda: self._target.started(party) >= wanted, f"start {wanted} of {party}")

    async def _ask(self, step: Ask) -> None:
        listener = "invoke" if step.who == "caller" else "api"
        external = step.who.startswith("extension ") and step.who.split()[1] in self._transcript.extensions
        if step.who == "runtime" or external:  # only a process that runs can speak
            await self._up(step.who)
        sending = asyncio.ensure_future(self._target.send(listener, self._request(step)))
        if step.label:
            assert step.label not in self._parked, f"{step.label} is parked already"
            self._parked[step.label] = sending
            await self._target.settle(listener)
        else:
            self._check(step, await self._in_time(sending))

    async def _in_time(self, sending: asyncio.Task[Reply | None]) -> Reply | None:
        return await asyncio.wait_for(sending, PATIENCE)

    def _request(self, step: Ask) -> Request:
        method, _, path = fill_in(step.asks, self._words).partition(" ")
        headers = [
            (name, value)
            for name, written in fill_in(step.headers, self._words).items()
            for value in (written if isinstance(written, list) else [written])
        ]
        body = None if step.body is None else fill_in(step.body, self._words).encode()
        if step.fill is not None:
            body = b'"' + b"x" * (int(fill_in(step.fill, self._words)) - 2) + b'"'
        return Request(method, path, headers, body, step.chunked, fill_in(step.trailers, self._words), step.cut)

    def _check(self, step: Ask | Await, reply: Reply | None) -> None:
        expected = step.gets
        if self._target.name == "emulator" and step.emulator:
            expected = step.emulator
        if reply is None:
            assert expected is None, "nothing can come back to a client that hangs up"
            return
        found = differences(expected or Expected(), reply, self._words)
        assert not found, "; ".join(found)
        for name, source in step.capture.items():
            self._words[name] = captured(source, reply)
