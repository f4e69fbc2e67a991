"""The way out, in the order of time that the test makes."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable

import pytest

from rapid.draining import Stopping, drain
from tests.telemetry.clock import Clock, settled

GRACE, TIMEOUT = 7.0, 11.0


class Scene:
    """A drain with fake time, and invocations that last until the test says otherwise."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.stopping = Stopping()
        self.said: list[str] = []
        self.quiet = asyncio.Event()

    async def pause(self, seconds: float) -> None:
        over = asyncio.Event()
        self.clock.call_later(seconds, over.set)
        await over.wait()

    async def drain(self, seconds: float) -> None:
        self.said.append("refuses")
        quiet = asyncio.ensure_future(self.quiet.wait())
        late = asyncio.ensure_future(self.pause(seconds))
        await asyncio.wait({quiet, late}, return_when=asyncio.FIRST_COMPLETED)
        quiet.cancel()
        late.cancel()

    def give_up(self) -> None:
        self.said.append("gives up")

    async def signal(self, number: int) -> None:
        """A signal; the first begins."""
        first = not self.stopping.begun.is_set()
        self.stopping.record(number)
        if first:
            part: Callable[[], None] = lambda: self.said.append("parts")  # noqa: E731
            self.leaving = asyncio.ensure_future(
                drain(self, self.stopping, grace=GRACE, timeout=TIMEOUT, part=part, pause=self.pause)
            )
        await settled()


def played(scenario: Callable[[Scene], Awaitable[None]]) -> None:
    async def play() -> None:
        scene = Scene(Clock())
        await scenario(scene)
        assert scene.leaving.done()
        assert scene.said[0] == "parts"
        assert scene.said[-1] == "gives up"

    asyncio.run(play())


def test_sigterm_serves_for_the_grace_time_and_then_waits_for_what_was_accepted() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.signal(signal.SIGTERM)
        await scene.clock.pass_(GRACE - 0.1)
        assert scene.said == ["parts"]
        await scene.clock.pass_(0.2)
        assert scene.said == ["parts", "refuses"]
        await scene.clock.pass_(TIMEOUT - 1)
        assert not scene.leaving.done()
        scene.quiet.set()
        await settled()

    played(scenario)


def test_what_takes_too_long_is_given_up() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.signal(signal.SIGTERM)
        await scene.clock.pass_(GRACE)
        await scene.clock.pass_(TIMEOUT - 0.1)
        assert not scene.leaving.done()
        await scene.clock.pass_(0.2)

    played(scenario)


def test_sigint_has_no_grace_but_finishes_what_was_accepted() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.signal(signal.SIGINT)
        assert scene.said == ["parts", "refuses"]
        scene.quiet.set()
        await settled()

    played(scenario)


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("after", [0.0, GRACE + 1])
def test_a_second_signal_waits_for_nothing(first: int, second: int, after: float) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.signal(first)
        await scene.clock.pass_(after)
        assert not scene.leaving.done()
        await scene.signal(second)

    played(scenario)


def test_two_signals_at_once_wait_for_nothing() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.signal(signal.SIGTERM)
        scene.stopping.record(signal.SIGTERM)
        await settled()

    played(scenario)
