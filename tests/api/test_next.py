"""`next` in memory, where who comes and who leaves can be put in order to the letter."""

from __future__ import annotations

import asyncio
from typing import cast

from starlette.types import Message

from rapid.api.environment import EnvironmentApi
from rapid.api.runtime import NEXT
from rapid.core.invocation import Attempt
from rapid.environments.environment import Environment, Poll
from rapid.environments.polls import Polls
from tests.core.steps import invocation


class Parking:
    """As much of an environment as `next` sees."""

    def __init__(self) -> None:
        self.polls: Polls[Attempt] = Polls(asyncio.get_running_loop())

    def next(self) -> Poll:
        return self.polls.park()


class Client:
    """A client that asks for the next event; `leave` closes its connection."""

    def __init__(self, api: EnvironmentApi) -> None:
        self.sent: list[Message] = []
        self._fresh = True
        self._left = asyncio.Event()
        self.served = asyncio.ensure_future(
            api({"type": "http", "method": "GET", "path": NEXT}, self._receive, self._send)
        )

    async def _receive(self) -> Message:
        if self._fresh:
            self._fresh = False
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        self.sent.append(message)

    def leave(self) -> None:
        self._left.set()


async def settled() -> None:
    """Let everybody do what they can do now."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_an_event_goes_to_the_older_poll_when_the_client_of_the_newer_has_left() -> None:
    async def scenario() -> None:
        environment = Parking()
        api = EnvironmentApi(cast(Environment, environment), None)
        older = Client(api)
        await settled()
        newer = Client(api)
        await settled()
        newer.leave()
        await settled()
        environment.polls.deliver(Attempt(invocation(), "attempt", 0))
        await settled()
        assert newer.sent == []
        assert [message.get("status", message.get("body")) for message in older.sent] == [200, b"{}"]
        assert older.served.done()
        assert newer.served.done()

    asyncio.run(scenario())


def test_a_client_that_leaves_its_overtaken_poll_leaves_nothing_behind() -> None:
    async def scenario() -> None:
        environment = Parking()
        api = EnvironmentApi(cast(Environment, environment), None)
        clients = []
        for _ in range(20):
            clients.append(Client(api))
            await settled()
        for client in clients[:-1]:
            client.leave()
        await settled()
        assert [client.served.done() for client in clients] == [True] * 19 + [False]
        assert len(environment.polls) == 1
        environment.polls.release()
        await settled()
        assert clients[-1].sent[0]["status"] == 403

    asyncio.run(scenario())
