"""Parked polls: the newest is served, the overtaken wait behind it, the dead leave nothing."""

from __future__ import annotations

import asyncio

from rapid.core.invocation import Attempt
from rapid.environments.polls import Polls, Signal
from tests.core.steps import invocation

EVENT = Attempt(invocation(), "attempt", 0)


def test_the_newest_poll_gets_the_event() -> None:
    async def scenario() -> None:
        polls = Polls(asyncio.get_running_loop())
        older, newer = polls.park(), polls.park()
        polls.deliver(EVENT)
        assert older.result() is Signal.OVERTAKEN
        assert newer.result() is EVENT
        assert len(polls) == 0

    asyncio.run(scenario())


def test_an_overtaken_poll_is_served_after_the_newer_ones() -> None:
    async def scenario() -> None:
        polls = Polls(asyncio.get_running_loop())
        polls.park()
        newer, behind = polls.park(), polls.wait_behind()
        polls.deliver(EVENT)
        assert newer.done()
        assert not behind.done()
        polls.deliver(EVENT)
        assert behind.result() is EVENT

    asyncio.run(scenario())


def test_a_poll_whose_client_left_is_forgotten() -> None:
    async def scenario() -> None:
        polls = Polls(asyncio.get_running_loop())
        polls.wait_behind().cancel()
        await asyncio.sleep(0)
        assert len(polls) == 0

    asyncio.run(scenario())


def test_a_release_ends_every_poll() -> None:
    async def scenario() -> None:
        polls = Polls(asyncio.get_running_loop())
        newer, behind = polls.park(), polls.wait_behind()
        polls.release()
        assert newer.result() is behind.result() is Signal.RELEASED

    asyncio.run(scenario())
