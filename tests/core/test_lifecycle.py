"""The life of an environment, with a fake clock: what each input leads to."""

from __future__ import annotations

import json

import pytest

from rapid.core import effects as do
from rapid.core import records
from rapid.core.effects import RUNTIME_PARTY
from rapid.core.errors import Refused
from rapid.core.machine import RuntimeInput, RuntimeState
from rapid.core.phase import Phase
from tests.core.steps import EPOCH, INIT_LIMIT, TIMEOUT, Steps, idle, invocation, only


def error_of(answer: do.Answer) -> dict[str, str]:
    document: dict[str, str] = json.loads(answer.outcome.payload)
    return document


def test_a_start_launches_the_runtime_under_the_init_limit() -> None:
    steps = Steps()
    assert steps.phase() is Phase.ABSENT
    assert steps.start() == [records.InitStart("init"), do.SetDeadline(INIT_LIMIT), do.Launch(RUNTIME_PARTY)]
    assert steps.phase() is Phase.INIT


def test_the_first_next_ends_init() -> None:
    steps = Steps()
    steps.start()
    assert steps.after(0.25).next() == [
        records.InitRuntimeDone("init", "success"),
        records.InitReport("init", "success", 250.0),
        do.SetDeadline(None),
    ]
    assert steps.phase() is Phase.IDLE


def test_an_invocation_is_delivered_with_its_deadline_before_its_start_is_logged() -> None:
    steps = idle()
    effects = steps.invoke()
    delivered = only(do.Deliver, effects).attempt
    assert delivered.deadline_ms == int((EPOCH + steps.now + TIMEOUT) * 1000)
    assert delivered.invocation_id == "attempt-1"
    assert effects.index(records.InvokeStart(invocation())) > effects.index(do.Deliver(delivered))
    assert only(do.SetDeadline, effects).seconds == TIMEOUT
    assert steps.phase() is Phase.INVOKE


def test_the_caller_is_answered_on_the_response_and_the_invocation_ends_on_next() -> None:
    steps = idle()
    steps.invoke()
    answer = only(do.Answer, steps.after(0.1).respond())
    assert (answer.outcome.payload, answer.outcome.error_type) == (b'"done"', None)
    assert steps.phase() is Phase.INVOKE
    effects = steps.after(0.1).next()
    report = only(records.InvokeReport, effects)
    assert (report.status, report.error_type) == ("success", None)
    assert report.duration_ms == pytest.approx(200)
    assert only(do.SetDeadline, effects).seconds is None
    assert steps.phase() is Phase.IDLE


def test_only_the_first_invocation_reports_the_init() -> None:
    steps = idle()
    for number in (1, 2):
        steps.invoke(number)
        steps.respond(number)
        steps.next()
    first, second = steps.reports()
    assert first.init_ms == pytest.approx(500)
    assert second.init_ms is None


def test_a_function_error_is_an_answer_and_no_failure() -> None:
    steps = idle()
    steps.invoke()
    answer = only(do.Answer, steps.fail())
    assert answer.outcome.error_type == "Runtime.Unknown"
    assert only(records.InvokeReport, steps.next()).status == "error"
    assert steps.phase() is Phase.IDLE


def test_next_while_running_delivers_the_same_attempt_again() -> None:
    steps = idle()
    first = only(do.Deliver, steps.invoke())
    assert steps.next() == [first]


def test_next_while_parked_changes_nothing() -> None:
    steps = idle()
    assert steps.next() == []
    assert steps.phase() is Phase.IDLE


def test_a_timeout_answers_kills_and_a_fresh_runtime_is_started() -> None:
    steps = idle()
    steps.invoke()
    effects = steps.after(TIMEOUT).deadline()
    assert error_of(only(do.Answer, effects)) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": "RequestId: id-1 Error: Task timed out after 3.00 seconds",
    }
    report = only(records.InvokeReport, effects)
    assert (report.status, report.duration_ms) == ("timeout", 3000)
    assert effects[-1] == do.Kill(RUNTIME_PARTY)
    assert steps.phase() is Phase.RESET
    assert steps.exited() == [
        do.SetDeadline(None),
        records.InitStart("init"),
        do.SetDeadline(INIT_LIMIT),
        do.Launch(RUNTIME_PARTY),
    ]
    assert steps.phase() is Phase.INIT


def test_a_timeout_after_the_response_does_not_answer_twice() -> None:
    steps = idle()
    steps.invoke()
    steps.respond()
    steps.after(TIMEOUT).deadline()
    assert len(steps.answers()) == 1
    assert [report.status for report in steps.reports()] == ["timeout"]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (3, "Runtime exited with error: exit status 3"),
        (0, "Runtime exited without providing a reason"),
        (-9, "Runtime exited with error: signal: killed"),
        (-6, "Runtime exited with error: signal: aborted"),
        (-11, "Runtime exited with error: signal: segmentation fault"),
        (-50, "Runtime exited with error: signal: signal 50"),
    ],
)
def test_a_runtime_that_leaves_in_an_invocation_is_an_exit_error(status: int, reason: str) -> None:
    steps = idle()
    steps.invoke()
    effects = steps.exited(status)
    assert error_of(only(do.Answer, effects)) == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: id-1 Error: {reason}",
    }
    assert only(records.InvokeReport, effects).error_type == "Runtime.ExitError"
    assert effects[-1] == do.Launch(RUNTIME_PARTY)


def test_a_runtime_that_leaves_after_its_response_does_not_take_the_answer_back() -> None:
    steps = idle()
    steps.invoke()
    steps.respond()
    effects = steps.exited(1)
    assert [answer.outcome.error_type for answer in steps.answers()] == [None]
    assert only(records.InvokeReport, effects).status == "failure"


def test_a_failed_init_without_a_caller_waits_for_the_next_invocation() -> None:
    steps = Steps()
    steps.start()
    effects = steps.init_error()
    assert only(records.InitReport, effects) == records.InitReport("init", "error", 0.0, "Runtime.ImportModuleError")
    assert effects[-1] == do.Kill(RUNTIME_PARTY)
    assert steps.exited(1) == [do.SetDeadline(None)]
    assert steps.phase() is Phase.ABSENT


def test_a_suppressed_init_runs_inside_the_invocation_and_under_its_timeout() -> None:
    steps = Steps()
    effects = steps.invoke()
    assert effects == [records.InitStart("invoke"), do.SetDeadline(TIMEOUT), do.Launch(RUNTIME_PARTY)]
    assert steps.phase() is Phase.INIT
    effects = steps.after(1).next()
    assert only(records.InitReport, effects) == records.InitReport("invoke", "success", 1000.0)
    assert only(do.Deliver, effects).attempt.invocation.request_id == "id-1"
    steps.after(1).respond()
    report = only(records.InvokeReport, steps.next())
    assert (report.duration_ms, report.init_ms) == (2000, None)


@pytest.mark.parametrize("ends", ["well", "exited", "deadline", "stop"])
def test_a_suppressed_init_is_recorded_before_the_start_of_its_invocation(ends: str) -> None:
    steps = Steps()
    steps.invoke()
    {"well": steps.next, "exited": lambda: steps.exited(1), "deadline": steps.deadline, "stop": steps.stop}[ends]()
    if ends == "well":
        steps.respond()
        steps.next()
    wanted: list[type] = [
        records.InitStart,
        records.InitReport,
        records.InvokeStart,
        records.FaultRecord,
        records.InvokeReport,
    ]
    told = [type(effect) for effect in steps.history if type(effect) in wanted]
    absent: dict[str, list[type]] = {"well": [records.FaultRecord], "stop": [records.InitReport, records.FaultRecord]}
    assert told == [kind for kind in wanted if kind not in absent.get(ends, [])]


def test_a_suppressed_init_that_fails_answers_with_what_the_runtime_posted() -> None:
    steps = Steps()
    steps.invoke()
    effects = steps.init_error()
    assert only(do.Answer, effects).outcome.payload == b'{"errorType":"I"}'
    assert only(records.InitReport, effects).phase == "invoke"
    assert steps.exited(1) == [do.SetDeadline(None)]
    assert steps.phase() is Phase.ABSENT


def test_a_suppressed_init_that_takes_too_long_is_a_timeout() -> None:
    steps = Steps()
    steps.invoke()
    effects = steps.after(TIMEOUT).deadline()
    assert error_of(only(do.Answer, effects))["errorType"] == "Sandbox.Timedout"
    assert only(records.InitReport, effects).status == "timeout"
    steps.exited()
    assert steps.phase() is Phase.ABSENT


def test_an_init_over_its_limit_is_ended() -> None:
    steps = Steps()
    steps.start()
    effects = steps.after(INIT_LIMIT).deadline()
    assert only(records.InitReport, effects) == records.InitReport("init", "timeout", 10_000.0)
    assert effects[-1] == do.Kill(RUNTIME_PARTY)
    assert steps.exited() == [do.SetDeadline(None)]


def test_a_runtime_that_leaves_while_idle_is_not_started_for_nobody() -> None:
    steps = idle()
    assert only(records.FaultRecord, steps.exited(0)).request_id is None
    assert steps.phase() is Phase.ABSENT


def test_a_runtime_that_leaves_while_idle_after_work_is_replaced() -> None:
    steps = idle()
    steps.invoke()
    steps.respond()
    steps.next()
    assert steps.exited(0)[-1] == do.Launch(RUNTIME_PARTY)


def test_a_stop_ends_the_runtime_and_starts_no_other() -> None:
    steps = idle()
    assert do.Kill(RUNTIME_PARTY) in steps.stop()
    assert steps.phase() is Phase.SHUTDOWN
    assert steps.exited() == [do.SetDeadline(None)]
    assert steps.phase() is Phase.SHUTDOWN


def test_a_stop_in_an_invocation_abandons_its_caller_once() -> None:
    steps = idle()
    steps.invoke()
    effects = steps.stop()
    assert only(do.Abandon, effects).invocation.request_id == "id-1"
    assert only(records.InvokeReport, effects).status == "failure"
    steps.exited()
    assert steps.answers() == []


@pytest.mark.parametrize(
    ("given", "request_id", "attempt_id", "error_type"),
    [
        (RuntimeInput.RESPOND, "id-2", None, "InvalidRequestID"),
        (RuntimeInput.FAIL, "", None, "InvalidRequestID"),
        (RuntimeInput.RESPOND, "id-1", "attempt-0", "InvalidInvocationId"),
    ],
)
def test_a_wrong_id_is_refused_and_changes_nothing(
    given: RuntimeInput, request_id: str, attempt_id: str | None, error_type: str
) -> None:
    steps = idle()
    steps.invoke()
    with pytest.raises(Refused) as refusal:
        steps.machine.answering(given, request_id, attempt_id, steps.now)
    assert (refusal.value.status, refusal.value.error_type) == (400, error_type)
    assert steps.machine.runtime_state is RuntimeState.RUNNING
    assert only(do.Answer, steps.respond()).outcome.payload == b'"done"'


def test_a_second_answer_is_refused() -> None:
    steps = idle()
    steps.invoke()
    steps.respond()
    with pytest.raises(Refused, match="from RuntimeResponseSentState to InvocationErrorResponse"):
        steps.fail()
    assert len(steps.answers()) == 1


def test_an_answer_before_any_invocation_is_refused_by_its_id() -> None:
    with pytest.raises(Refused, match="Invalid request ID"):
        idle().respond()


def test_an_init_error_after_init_is_refused() -> None:
    steps = idle()
    with pytest.raises(Refused, match="from Ready to InitError"):
        steps.init_error()
    assert steps.phase() is Phase.IDLE


def test_nothing_is_taken_from_a_runtime_that_is_being_ended() -> None:
    steps = idle()
    steps.invoke()
    steps.after(TIMEOUT).deadline()
    with pytest.raises(Refused, match="InvalidStateTransition"):
        steps.respond()
    with pytest.raises(Refused, match="InvalidStateTransition"):
        steps.next()
    assert len(steps.answers()) == 1
