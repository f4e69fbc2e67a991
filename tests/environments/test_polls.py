"""Parked polls: the newest is served, the overtaken wait behind it, the dead leave nothing."""

from __future__ import annotations

import asyncio

from rapid.core.invocation import Attempt
from rapid.environments.polls import Polls, Signal
from tests.core.steps import invocation

EVENT = Attempt(invocation(), "attempt", 0)


def test_the_newest_poll_gets_the_event() -> None:
    async def scenario() -> None:
        polls: Polls[Attempt] = Polls(asyncio.get_running_loop())
        older, alone = polls.park(), polls.contended
        newer, overtaking = polls.park(), polls.contended
        assert (alone, overtaking) == (False, True)
        polls.deliver(EVENT)
        assert older.result() is Signal.OVERTAKEN
        assert newer.result() is EVENT
        assert len(polls) == 0

    asyncio.run(scenario())


def test_an_overtaken_poll_is_served_after_the_newer_ones() -> None:
    async def scenario() -> None:
        polls: Polls[Attempt] = Polls(asyncio.get_running_loop())
        polls.park()
        newer, behind = polls.park(), polls.wait_behind()
        polls.deliver(EVENT)
        assert newer.done()
        assert not behind.done()
        polls.deliver(EVENT)
        assert behind.result() is EVENT

    asyncio.run(scenario())


def test_an_event_passes_over_a_poll_that_was_withdrawn() -> None:
    async def scenario() -> None:
        polls: Polls[Attempt] = Polls(asyncio.get_running_loop())
        polls.park()
        newer, behind = polls.park(), polls.wait_behind()
        polls.withdraw(newer)
        polls.deliver(EVENT)
        assert behind.result() is EVENT
        assert len(polls) == 0

    asyncio.run(scenario())


def test_a_release_ends_every_poll() -> None:
    async def scenario() -> None:
        polls: Polls[Attempt] = Polls(asyncio.get_running_loop())
        newer, behind = polls.park(), polls.wait_behind()
        polls.release()
        assert newer.result() is behind.result() is Signal.RELEASED

    asyncio.run(scenario())
