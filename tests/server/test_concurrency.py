"""Many callers, one environment: everyone gets an answer of his own, in turn, and nobody else's trouble."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.server.played import Played
from tests.server.played import played as playing
from tests.server.wire import Connection, connected, request
from tests.support.program import Program, call, until
from tests.support.sdk import lambda_client

INVOKE = "/2015-03-31/functions/function/invocations"
QUEUE = 1000


@pytest.fixture
def many_files() -> Iterator[None]:
    """Room for a thousand connections, here and in the programs that are started."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def send(caller: Connection, event: object, headers: dict[str, str] | None = None) -> None:
    caller.send(request("POST", INVOKE, json.dumps(event).encode(), headers or {}))


def arrived(program: Program) -> None:
    """What was sent before has been taken in."""
    for _ in range(3):
        assert call(program.invoke_address, "GET", "/healthz").status == 200


def test_eight_callers_at_once_each_get_their_own_answer(served: Program) -> None:
    def caller(number: int) -> list[tuple[int, int]]:
        replies = [served.invoke({"caller": number, "turn": turn}) for turn in range(40)]
        assert len({reply.headers["x-amzn-requestid"] for reply in replies}) == 40
        return [(reply.json["caller"], reply.json["turn"]) for reply in replies]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(caller, range(8))) == [[(number, turn) for turn in range(40)] for number in range(8)]


def test_one_callers_error_is_no_others(served: Program) -> None:
    def caller(number: int) -> list[bool]:
        event = {"do": "fail", "say": "no"} if number % 2 else {"fine": number}
        return ["x-amz-function-error" in served.invoke(event).headers for _ in range(20)]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(caller, range(4))) == [[bool(number % 2)] * 20 for number in range(4)]


def test_callers_wait_their_turn_in_the_order_they_came(played: Played) -> None:
    with ExitStack() as stack:
        callers = [stack.enter_context(connected(played.program.invoke_address)) for _ in range(6)]
        for number, caller in enumerate(callers):
            send(caller, number)
            arrived(played.program)
        for number, caller in enumerate(callers):
            turn = played.take()
            assert turn.event.json == number
            turn.respond(b"%d" % number)
            assert caller.reply().json == number


def test_only_one_invocation_is_with_the_runtime(played: Played) -> None:
    with connected(played.program.invoke_address) as first, connected(played.program.invoke_address) as second:
        send(first, 1)
        turn = played.take()
        send(second, 2)
        arrived(played.program)
        assert played.next().json == 1
        turn.respond()
        turn = played.take()
        assert turn.event.json == 2
        turn.respond()


def test_a_caller_who_leaves_in_the_middle_of_his_invocation_harms_nobody(played: Played) -> None:
    with connected(played.program.invoke_address) as stays:
        with connected(played.program.invoke_address) as leaves:
            send(leaves, "leaves")
            turn = played.take()
            send(stays, "stays")
        arrived(played.program)
        assert turn.respond(b'"for nobody"').status == 202
        turn = played.take()
        assert turn.event.json == "stays"
        turn.respond(b'"for the other"')
        assert stays.reply().body == b'"for the other"'


def test_a_waiting_caller_who_leaves_once_his_turn_has_come_harms_nobody(played: Played) -> None:
    with connected(played.program.invoke_address) as first:
        send(first, "first")
        turn = played.take()
        with connected(played.program.invoke_address) as leaves:
            send(leaves, "leaves")
            arrived(played.program)
            turn.respond(b"1")
            turn = played.take()
            assert turn.event.json == "leaves"
        arrived(played.program)
        assert turn.respond(b'"for nobody"').status == 202
        assert first.reply().body == b"1"
    played.works()


def test_an_invocation_whose_caller_leaves_while_it_waits_is_never_run(played: Played) -> None:
    with connected(played.program.invoke_address) as first, connected(played.program.invoke_address) as last:
        send(first, "first")
        turn = played.take()
        with connected(played.program.invoke_address) as leaves:
            send(leaves, "leaves")
            arrived(played.program)
        send(last, "last")
        arrived(played.program)
        turn.respond()
        turn = played.take()
        assert turn.event.json == "last"
        turn.respond()


def test_a_caller_who_does_not_read_his_answer_holds_nobody_up(played: Played) -> None:
    large = b'"' + b"x" * (6 * 1024 * 1024) + b'"'
    with connected(played.program.invoke_address) as caller:
        send(caller, "large")
        turn = played.take()
        assert turn.respond(large).status == 202
        played.works()
        assert caller.reply().body == large


def test_a_caller_who_asked_for_the_log_and_left_harms_nobody(played: Played) -> None:
    with connected(played.program.invoke_address) as caller:
        send(caller, "tail", {"X-Amz-Log-Type": "Tail"})
        turn = played.take()
    arrived(played.program)
    turn.respond()
    played.works()


def test_beyond_a_thousand_waiting_callers_are_throttled(tmp_path: Path, many_files: None) -> None:
    with playing(tmp_path) as played, ExitStack() as stack:
        address = played.program.invoke_address
        callers = [stack.enter_context(connected(address)) for _ in range(QUEUE + 1)]
        send(callers[0], 0)
        turn = played.take()
        for number, caller in enumerate(callers[1:], 1):
            send(caller, number)
        arrived(played.program)  # one runs, a thousand wait
        with connected(address) as late:
            send(late, "late")
            reply = late.reply()
        assert (reply.status, reply.headers["x-amzn-errortype"]) == (429, "TooManyRequestsException")
        assert reply.headers["retry-after"] == "1"
        assert reply.json["Reason"] == "ConcurrentInvocationLimitExceeded"
        boto3_is_throttled(address)
        leaver = callers.pop()
        leaver.close()
        arrived(played.program)
        again = stack.enter_context(connected(address))
        send(again, "again")  # there is room once someone has left
        arrived(played.program)
        assert again.is_quiet()
        turn.respond()
        assert callers[0].reply().status == 200


def boto3_is_throttled(address: str) -> None:
    with lambda_client(address) as client, pytest.raises(client.exceptions.TooManyRequestsException) as caught:
        client.invoke(FunctionName="function")
    response = caught.value.response
    assert response["Reason"] == "ConcurrentInvocationLimitExceeded"
    assert response["retryAfterSeconds"] == "1"


def test_a_rapid_with_few_files_answers_again_when_there_are_some(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    try:
        stack = ExitStack()
        played = stack.enter_context(playing(tmp_path))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with stack:
        with ExitStack() as crowd:
            for _ in range(100):
                crowd.enter_context(connected(played.program.invoke_address))
            assert played.program.process.poll() is None
        files = f"/proc/{played.program.process.pid}/fd"
        until(lambda: len(os.listdir(files)) < 40, "the crowd's connections to be closed")
        played.works()
