"""An environment of several invocations at once, with a fake clock: what each input leads to."""

from __future__ import annotations

import json

import pytest

from rapid.core import effects as do
from rapid.core import records
from rapid.core.effects import RUNTIME_PARTY, Effect
from rapid.core.errors import Refused
from rapid.core.initialisation import InitializationType
from rapid.core.invocation import Outcome
from rapid.core.machine import ExtensionInput, RuntimeInput
from rapid.core.phase import Phase
from rapid.core.works import REMEMBERED
from tests.core.concurrent_steps import ConcurrentSteps, asking, delivered
from tests.core.steps import EPOCH, TIMEOUT, invocation, only


def refusal(call: object, *words: object) -> tuple[int, str]:
    with pytest.raises(Refused) as refused:
        call(*words)  # type: ignore[operator]
    return refused.value.status, refused.value.error_type


def error_types(effects: list[Effect]) -> dict[str, str | None]:
    return {e.invocation.request_id: e.outcome.error_type for e in effects if isinstance(e, do.Answer)}


@pytest.mark.parametrize(("timeout", "limit"), [(3, 130), (130, 130), (500, 500), (900, 900), (3600, 900)])
def test_the_init_may_take_as_long_as_aws_says(timeout: float, limit: float) -> None:
    assert InitializationType.MANAGED.init_limit(timeout) == limit


def test_init_is_over_when_one_worker_has_asked() -> None:
    steps = ConcurrentSteps()
    assert steps.start() == [records.InitStart("init"), do.SetDeadline(130.0), do.Launch(RUNTIME_PARTY)]
    assert (steps.phase(), steps.capacity()) == (Phase.INIT, 0)
    assert steps.after(0.25).next() == [
        records.InitRuntimeDone("init", "success"),
        records.InitReport("init", "success", 250.0),
        do.SetDeadline(None),
    ]
    assert (steps.phase(), steps.capacity()) == (Phase.IDLE, 1)
    steps.next()
    assert steps.capacity() == 2


def test_init_waits_for_the_extensions_while_workers_ask() -> None:
    steps = ConcurrentSteps("first")
    steps.start()
    steps.register("first", "SHUTDOWN")
    for _ in range(2):
        steps.next()
        assert (steps.phase(), steps.capacity()) == (Phase.INIT, 0)
    assert only(records.InitReport, steps.asks("first")).status == "success"
    assert (steps.phase(), steps.capacity()) == (Phase.IDLE, 2)


def test_each_worker_is_given_an_invocation_of_its_own() -> None:
    steps = asking()
    effects = steps.invoke(1)
    assert only(do.Deliver, effects).attempt.deadline_ms == int((EPOCH + steps.now + TIMEOUT) * 1000)
    assert effects.index(records.InvokeStart(invocation(1))) == 2
    assert (steps.phase(), steps.capacity()) == (Phase.INVOKE, 2)
    assert delivered(steps.invoke(2)) == ["id-2"]
    assert delivered(steps.invoke(3)) == ["id-3"]
    assert steps.capacity() == 0


def test_more_workers_than_the_limit_take_no_more_than_it_says() -> None:
    steps = asking(workers=5, limit=2)
    assert steps.capacity() == 2
    steps.invoke(1)
    steps.invoke(2)
    assert steps.capacity() == 0
    with pytest.raises(RuntimeError, match="no capacity"):
        steps.invoke(3)
    steps.respond(2)
    assert steps.capacity() == 1


def test_an_answer_is_the_end_of_its_invocation_and_of_no_other() -> None:
    steps = asking()
    steps.invoke(1)
    steps.after(0.1).invoke(2)
    effects = steps.after(0.1).respond(2)
    assert [type(e) for e in effects] == [do.Answer, records.InvokeRuntimeDone, records.InvokeReport]
    assert only(records.InvokeReport, effects).duration_ms == pytest.approx(100)
    assert only(records.InvokeReport, effects).init_ms is None
    assert steps.phase() is Phase.INVOKE
    effects = steps.after(0.1).fail(1)
    assert (only(records.InvokeReport, effects).status, effects[-1]) == ("error", do.SetDeadline(None))
    assert steps.phase() is Phase.IDLE


def test_an_answer_is_checked_against_its_own_attempt() -> None:
    steps = asking()
    steps.invoke(1)
    steps.invoke(2)
    assert refusal(steps.begins, RuntimeInput.RESPOND, 3) == (400, "InvalidRequestID")
    assert refusal(steps.begins, RuntimeInput.RESPOND, 1, "attempt-2") == (400, "InvalidInvocationId")
    steps.begins(RuntimeInput.RESPOND, 1, "attempt-1")
    assert refusal(steps.begins, RuntimeInput.FAIL, 1, "attempt-1") == (403, "InvalidStateTransition")
    steps.begins(RuntimeInput.FAIL, 2)
    steps.ends(Outcome(b"1"), 1)
    assert refusal(steps.begins, RuntimeInput.RESPOND, 1, "attempt-1") == (400, "InvalidRequestID")
    steps.ends(Outcome(b"2"), 2)
    assert [answer.outcome.payload for answer in steps.answers()] == [b"1", b"2"]


def test_a_timeout_fails_its_invocation_to_the_caller_and_nothing_else() -> None:
    steps = asking()
    steps.invoke(1)
    steps.after(1).invoke(2)
    effects = steps.after(TIMEOUT - 1).deadline()
    assert error_types(effects) == {"id-1": "Sandbox.Timedout"}
    assert json.loads(only(do.Answer, effects).outcome.payload)["errorMessage"] == (
        "RequestId: id-1 Error: Task timed out after 3.00 seconds"
    )
    assert only(records.InvokeReport, effects).status == "timeout"
    assert only(records.InvokeReport, effects).duration_ms == TIMEOUT * 1000
    assert only(records.FaultRecord, effects).request_id == "id-1"
    assert effects[-1] == do.SetDeadline(1.0)
    assert (steps.phase(), steps.capacity()) == (Phase.INVOKE, 1)
    assert error_types(steps.respond(2)) == {"id-2": None}


def test_an_answer_after_the_timeout_is_told_that_it_is_late() -> None:
    steps = asking()
    steps.invoke(1)
    steps.begins(RuntimeInput.RESPOND, 1)
    steps.invoke(2)
    steps.after(TIMEOUT).deadline()
    assert refusal(steps.ends, Outcome(b"1"), 1) == (410, "InvokeTimeout")
    assert refusal(steps.begins, RuntimeInput.FAIL, 2) == (410, "InvokeTimeout")
    assert delivered(steps.invoke(3)) == ["id-3"]


def test_only_so_many_late_ones_are_remembered() -> None:
    steps = asking(workers=1)
    for number in range(REMEMBERED + 1):
        steps.invoke(number)
        steps.after(TIMEOUT).deadline()
        steps.next()
    assert refusal(steps.begins, RuntimeInput.RESPOND, 0) == (400, "InvalidRequestID")
    assert refusal(steps.begins, RuntimeInput.RESPOND, 1) == (410, "InvokeTimeout")


def test_a_deadline_of_an_invocation_that_is_over_is_that_of_the_next() -> None:
    steps = asking()
    assert only(do.SetDeadline, steps.invoke(1)).seconds == TIMEOUT
    steps.after(1).invoke(2)
    steps.respond(1)
    assert steps.after(TIMEOUT - 1).deadline() == [do.SetDeadline(1.0)]
    assert error_types(steps.after(1).deadline()) == {"id-2": "Sandbox.Timedout"}


def test_the_runtimes_exit_fails_all() -> None:
    steps = asking()
    steps.invoke(1)
    steps.invoke(2)
    effects = steps.exited(1)
    assert error_types(effects) == {"id-1": "Runtime.ExitError", "id-2": "Runtime.ExitError"}
    assert [e.request_id for e in effects if isinstance(e, records.FaultRecord)] == ["id-1", "id-2"]
    assert {report.status for report in steps.reports()} == {"failure"}
    assert (steps.phase(), effects[-1]) == (Phase.INIT, do.Launch(RUNTIME_PARTY))
    steps.next()
    assert (steps.phase(), steps.capacity()) == (Phase.IDLE, 1)


def test_an_extensions_exit_ends_the_environment() -> None:
    steps = ConcurrentSteps("first")
    steps.start()
    steps.register("first", "SHUTDOWN")
    steps.next()
    steps.asks("first")
    steps.invoke(1)
    effects = steps.exited(1, "first")
    assert error_types(effects) == {"id-1": "Extension.Crash"}
    assert (steps.phase(), steps.capacity()) == (Phase.RESET, 0)


def test_extensions_hear_of_no_invocation() -> None:
    steps = ConcurrentSteps("first")
    steps.start()
    assert refusal(steps.register, "first", "INVOKE", "SHUTDOWN") == (403, "Extension.InvalidEventType")
    with pytest.raises(Refused, match="INVOKE: ErrorInvalidEventType"):
        steps.register("first", "INVOKE")
    steps.register("first", "SHUTDOWN")
    for event in ("INVOKE", "SHUTDOWN", "FOO"):
        with pytest.raises(Refused, match="No events allowed for internal extensions"):
            steps.register("inside", event)
    steps.register("inside")
    steps.next()
    steps.asks("inside")
    steps.asks("first")
    assert not [effect for effect in steps.invoke(1) if isinstance(effect, do.Notify)]


def test_an_extension_that_reports_an_error_ends_the_environment() -> None:
    steps = ConcurrentSteps("first")
    steps.start()
    steps.register("first", "SHUTDOWN")
    steps.next()
    steps.asks("first")
    steps.invoke(1)
    assert error_types(steps.reports_error(ExtensionInput.EXIT_ERROR, "first")) == {"id-1": "Extension.ExitError"}


def test_a_failed_init_is_tried_again_ahead_of_the_next_invocation() -> None:
    steps = ConcurrentSteps()
    steps.start()
    assert only(records.InitReport, steps.init_error()).status == "error"
    steps.exited(1)
    assert (steps.phase(), steps.capacity()) == (Phase.ABSENT, 1)
    assert steps.invoke(1)[:2] == [records.InitStart("init"), do.SetDeadline(130.0)]
    assert (steps.phase(), steps.capacity()) == (Phase.INIT, 0)
    effects = steps.after(20).next()
    assert only(do.Deliver, effects).attempt.deadline_ms == int((EPOCH + steps.now + TIMEOUT) * 1000)
    assert [e for e in effects if isinstance(e, do.SetDeadline)] == [do.SetDeadline(TIMEOUT)]
    effects = steps.after(1).respond(1)
    assert error_types(effects) == {"id-1": None}
    assert only(records.InvokeReport, effects).duration_ms == pytest.approx(1000)


def test_an_init_that_an_invocation_waits_for_may_fail_it() -> None:
    steps = ConcurrentSteps()
    steps.invoke(1)
    effects = steps.after(130).deadline()
    assert error_types(effects) == {"id-1": "Sandbox.Timedout"}
    assert only(records.FaultRecord, effects).reason == "Init timed out after 130.00 seconds"
    assert only(records.InitReport, effects).status == "timeout"
    report = only(records.InvokeReport, effects)
    assert (report.status, report.duration_ms) == ("failure", 0.0)
    assert effects[-1] == do.Kill(RUNTIME_PARTY)


def test_a_second_init_error_is_refused() -> None:
    steps = ConcurrentSteps()
    steps.start()
    steps.init_error()
    assert refusal(steps.init_error) == (403, "InvalidStateTransition")


def test_a_worker_that_has_left_is_not_counted() -> None:
    steps = asking(workers=2)
    steps.left()
    assert steps.capacity() == 1
    steps.invoke(1)
    assert steps.left() == []


def test_an_event_that_its_worker_has_missed_goes_to_the_next() -> None:
    steps = asking(workers=1)
    attempt = only(do.Deliver, steps.invoke(1)).attempt
    assert steps.missed(attempt) == []
    assert steps.next() == [do.Deliver(attempt)]
    assert steps.capacity() == 0
    steps.respond(1)
    assert steps.missed(attempt) == []


def test_an_invocation_that_no_worker_has_cannot_be_answered() -> None:
    steps = ConcurrentSteps()
    steps.invoke(1)
    assert refusal(steps.respond, 1) == (403, "InvalidStateTransition")
    attempt = only(do.Deliver, steps.next()).attempt
    steps.missed(attempt)
    assert refusal(steps.respond, 1) == (403, "InvalidStateTransition")
    steps.next()
    steps.begins(RuntimeInput.RESPOND, 1)
    assert steps.missed(attempt) == []
    assert error_types(steps.ends(Outcome(b"1"), 1)) == {"id-1": None}


def test_an_event_that_nobody_takes_times_out() -> None:
    steps = asking(workers=1)
    attempt = only(do.Deliver, steps.invoke(1)).attempt
    steps.missed(attempt)
    assert error_types(steps.after(TIMEOUT).deadline()) == {"id-1": "Sandbox.Timedout"}
    assert delivered(steps.next()) == []
    assert steps.capacity() == 1


def test_an_environment_in_which_nobody_asks_any_more_is_started_afresh() -> None:
    steps = asking(workers=1)
    steps.invoke(1)
    assert steps.after(TIMEOUT).deadline()[-1] == do.SetDeadline(TIMEOUT)
    assert steps.phase() is Phase.IDLE
    effects = steps.after(TIMEOUT).deadline()
    assert only(records.FaultRecord, effects).reason == "No worker asked for an event within 3.00 seconds"
    assert effects[-1] == do.Kill(RUNTIME_PARTY)
    assert do.Launch(RUNTIME_PARTY) in steps.exited()


def test_one_whose_workers_come_back_goes_on() -> None:
    steps = asking(workers=1)
    steps.invoke(1)
    steps.after(TIMEOUT).deadline()
    assert steps.next() == [do.SetDeadline(None)]
    assert delivered(steps.invoke(2)) == ["id-2"]
    assert steps.respond(2)[-1] == do.SetDeadline(TIMEOUT)
    assert steps.next() == [do.SetDeadline(None)]
    assert steps.left() == [do.SetDeadline(TIMEOUT)]


def test_a_stop_tells_all_who_wait() -> None:
    steps = asking()
    steps.invoke(1)
    steps.invoke(2)
    effects = steps.stop()
    assert [e.invocation.request_id for e in effects if isinstance(e, do.Abandon)] == ["id-1", "id-2"]
    assert (steps.phase(), steps.capacity()) == (Phase.SHUTDOWN, 0)
    assert refusal(steps.next) == (403, "InvalidStateTransition")
    assert refusal(steps.respond, 1) == (400, "InvalidRequestID")
