"""Several polls for the next event: a client that comes back, and clients beside each other."""

from __future__ import annotations

import json
from pathlib import Path

from tests.server.played import begin, played
from tests.server.wire import connected, head
from tests.support.program import until

NEXT = head("GET", "/2018-06-01/runtime/invocation/next")


def settled(address: str) -> None:
    """Wait until the server has taken in what was sent on other connections before."""
    for _ in range(3):
        with connected(address) as other:
            other.send(head("GET", "/2018-06-01/ping"))
            assert other.reply("GET").status == 200


def test_a_client_that_lost_its_poll_asks_again_and_is_served(tmp_path: Path) -> None:
    with played(tmp_path) as runtime, connected(runtime.program.runtime_address) as lost:
        runtime.works()
        lost.send(NEXT)
        settled(runtime.program.runtime_address)
        lost.close()
        turn = runtime.turn({"n": 1})
        assert turn.event.json == {"n": 1}
        turn.respond()
        assert turn.answer.status == 200


def test_of_two_clients_beside_each_other_one_gets_the_event_and_one_waits_on(tmp_path: Path) -> None:
    with played(tmp_path) as runtime:
        runtime.works()
        address = runtime.program.runtime_address
        with connected(address) as first, connected(address) as second:
            polls = [first, second]
            for poll in polls:
                poll.send(NEXT)
                settled(address)
            assert all(poll.is_quiet() for poll in polls)
            caller = begin(runtime.program.invoke, {"n": 1})
            served = until(lambda: next((poll for poll in polls if not poll.is_quiet()), None), "an event")
            (waiting,) = [poll for poll in polls if poll is not served]
            event = served.reply("GET")
            assert (event.status, json.loads(event.body)) == (200, {"n": 1})
            assert waiting.is_quiet()
            request_id = event.headers["lambda-runtime-aws-request-id"]
            path = f"/runtime/invocation/{request_id}/response"
            assert runtime.program.runtime("POST", path, b"1").status == 202
            assert caller.result().body == b"1"
            assert waiting.is_quiet()
