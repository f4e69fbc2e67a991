"""Extensions beside the runtime, with a fake clock: registration, events, who holds up whom."""

from __future__ import annotations

import json

import pytest

from rapid.core import effects as do
from rapid.core import records
from rapid.core.effects import RUNTIME_PARTY, Effect, Party
from rapid.core.errors import Refused, extension_launch_failed
from rapid.core.machine import ExtensionInput, ExtensionState
from rapid.core.phase import Phase
from tests.core.steps import INIT_LIMIT, TIMEOUT, Steps, only

BOTH = ("INVOKE", "SHUTDOWN")


def registered(*events: str) -> Steps:
    """One external extension has registered, and the runtime is started."""
    steps = Steps("watcher")
    steps.start()
    steps.register("watcher", *events)
    return steps


def idle(*events: str) -> Steps:
    """One external extension, all ready."""
    steps = registered(*events)
    steps.asks("watcher")
    steps.after(0.5).next()
    return steps


def refusal_of(error: pytest.ExceptionInfo[Refused]) -> tuple[int, str, str]:
    return error.value.status, error.value.error_type, error.value.message


def notified(effects: list[Effect]) -> list[tuple[str, str]]:
    kinds = {do.InvokeEvent: "INVOKE", do.ShutdownEvent: "SHUTDOWN"}
    return [(effect.identifier, kinds[type(effect.event)]) for effect in effects if isinstance(effect, do.Notify)]


# Init


def test_external_extensions_start_in_order_and_the_runtime_when_all_have_registered() -> None:
    steps = Steps("first", "second")
    assert steps.start() == [
        records.InitStart("init"),
        do.SetDeadline(INIT_LIMIT),
        do.Launch(Party("first")),
        do.Launch(Party("second")),
    ]
    assert steps.register("second", *BOTH) == []
    assert steps.register("first") == [do.Launch(RUNTIME_PARTY)]
    assert steps.phase() is Phase.INIT


def test_init_is_over_when_the_runtime_and_all_extensions_have_asked() -> None:
    steps = registered(*BOTH)
    assert steps.after(0.25).next() == [records.InitRuntimeDone("init", "success")]
    assert steps.phase() is Phase.INIT
    assert steps.after(0.25).asks("watcher") == [
        records.ExtensionStatus("watcher", "Ready", BOTH),
        records.InitReport("init", "success", 500.0),
        do.SetDeadline(None),
    ]
    assert steps.phase() is Phase.IDLE


def test_an_internal_extension_holds_up_init_as_well() -> None:
    steps = Steps()
    steps.start()
    steps.register("inside", "INVOKE")
    steps.next()
    assert steps.phase() is Phase.INIT
    steps.asks("inside")
    assert steps.phase() is Phase.IDLE


@pytest.mark.parametrize(
    ("name", "events", "error_type", "message"),
    [
        ("watcher", ["FOO"], "Extension.InvalidEventType", "FOO: ErrorInvalidEventType"),
        (
            "inside",
            ["INVOKE", "SHUTDOWN"],
            "Extension.InvalidEventType",
            "SHUTDOWN: ShutdownEventNotSupportedForInternalExtension",
        ),
        (
            "watcher",
            ["INVOKE"],
            "Extension.InvalidExtensionState",
            "State transition from Registered to Registered failed for extension watcher. "
            "Error: State transition is not allowed",
        ),
        ("known", [], "Extension.InvalidExtensionState", "Extension with this name already registered"),
    ],
)
def test_a_registration_against_the_rules(name: str, events: list[str], error_type: str, message: str) -> None:
    steps = registered()
    steps.register("known")
    with pytest.raises(Refused) as error:
        steps.register(name, *events)
    assert refusal_of(error) == (403, error_type, message)
    assert len(steps.machine.extensions.registered) == 2


def test_registration_closes_when_the_runtime_asks_for_its_first_event() -> None:
    steps = registered()
    steps.next()
    with pytest.raises(Refused, match="Extension registration closed already"):
        steps.register("late")


def test_there_are_no_more_than_ten() -> None:
    steps = Steps("watcher")
    steps.start()
    steps.register("watcher")
    for number in range(9):
        steps.register(f"inside-{number}")
    with pytest.raises(Refused) as error:
        steps.register("eleventh")
    assert refusal_of(error) == (403, "Extension.TooManyExtensions", "Extension limit (10) reached")


def test_more_than_ten_programs_fail_the_init_and_the_invocation_after_it() -> None:
    steps = Steps(*(f"extension-{number:02}" for number in range(11)))
    assert only(records.InitReport, steps.start()).error_type == "Extension.TooManyExtensions"
    assert steps.phase() is Phase.ABSENT
    answer = only(do.Answer, steps.invoke())
    assert json.loads(answer.outcome.payload)["errorType"] == "Extension.TooManyExtensions"
    assert steps.phase() is Phase.ABSENT


def test_one_that_never_registers_is_ended_with_the_init() -> None:
    steps = Steps("watcher")
    steps.start()
    effects = steps.after(INIT_LIMIT).deadline()
    assert only(records.InitReport, effects) == records.InitReport("init", "timeout", 10_000.0)
    assert not [effect for effect in effects if isinstance(effect, records.InitRuntimeDone)]
    assert effects[-1] == do.Kill(Party("watcher"))
    steps.exited(-9, "watcher")
    assert steps.phase() is Phase.ABSENT


def test_one_that_cannot_be_started_fails_the_init() -> None:
    steps = Steps("watcher")
    steps.start()
    fault = extension_launch_failed("fork/exec /opt/extensions/watcher: permission denied")
    effects = steps.keep(steps.machine.launch_failed(Party("watcher"), fault, steps.now))
    status = only(records.ExtensionStatus, effects)
    assert (status.state, status.error_type) == ("LaunchError", "Extension.LaunchError")
    assert only(records.InitReport, effects).error_type == "Extension.LaunchError"
    assert steps.phase() is Phase.ABSENT


@pytest.mark.parametrize(
    ("given", "error_type", "state"),
    [
        (ExtensionInput.INIT_ERROR, "Extension.InitError", "InitError"),
        (ExtensionInput.EXIT_ERROR, "Extension.ExitError", "ExitError"),
    ],
)
def test_one_that_reports_an_error_fails_the_init(given: ExtensionInput, error_type: str, state: str) -> None:
    steps = registered(*BOTH)
    effects = steps.reports_error(given, "watcher")
    status = only(records.ExtensionStatus, effects)
    assert (status.state, status.error_type) == (state, "Extension.Broken")
    assert only(records.InitReport, effects) == records.InitReport("init", "error", 0.0, error_type)
    assert do.Terminate(RUNTIME_PARTY) in effects


def test_the_first_error_is_kept() -> None:
    steps = registered(*BOTH)
    steps.reports_error(ExtensionInput.INIT_ERROR, "watcher")
    steps.reports_error(ExtensionInput.INIT_ERROR, "watcher")
    steps.exited(1, "watcher")
    steps.exited(-15)
    assert [e.error_type for e in steps.history if isinstance(e, records.InitReport)] == ["Extension.InitError"]
    assert steps.phase() is Phase.ABSENT


# Invocations


def test_an_event_goes_to_those_who_registered_for_it() -> None:
    assert notified(idle(*BOTH).invoke()) == [("watcher-id", "INVOKE")]
    assert notified(idle("SHUTDOWN").invoke()) == []


def test_the_caller_is_not_held_up_but_the_environment_is() -> None:
    steps = idle(*BOTH)
    steps.invoke()
    only(do.Answer, steps.after(0.1).respond())
    done = only(records.InvokeRuntimeDone, steps.after(0.1).next())
    assert done.duration_ms == pytest.approx(200)
    assert [span.name for span in done.spans] == ["responseLatency", "responseDuration", "runtimeOverhead"]
    assert steps.phase() is Phase.INVOKE
    report = only(records.InvokeReport, steps.after(0.3).asks("watcher"))
    assert report.duration_ms == pytest.approx(500)
    (overhead,) = report.spans
    assert overhead.name == "extensionOverhead"
    assert overhead.duration_ms == pytest.approx(300)
    assert steps.phase() is Phase.IDLE


def test_an_extension_that_is_done_before_the_runtime_adds_nothing() -> None:
    steps = idle(*BOTH)
    steps.invoke()
    assert steps.after(0.1).asks("watcher") == []
    steps.respond()
    report = only(records.InvokeReport, steps.after(0.1).next())
    assert report.spans == ()


def test_the_timeout_covers_extensions_and_the_caller_keeps_its_answer() -> None:
    steps = idle(*BOTH)
    steps.invoke()
    steps.after(0.1).respond()
    steps.next()
    effects = steps.after(TIMEOUT).deadline()
    assert only(records.InvokeReport, effects).status == "timeout"
    assert not [effect for effect in effects if isinstance(effect, records.InvokeRuntimeDone)]
    assert len(steps.answers()) == 1


def test_asking_again_while_parked_changes_nothing() -> None:
    steps = idle(*BOTH)
    assert steps.asks("watcher") == []
    assert steps.phase() is Phase.IDLE


@pytest.mark.parametrize(("status", "reason"), [(1, "exit status 1"), (0, "exit code 0"), (-9, "signal: killed")])
def test_a_crash_before_the_response_is_the_callers_answer(status: int, reason: str) -> None:
    steps = idle(*BOTH)
    steps.invoke()
    effects = steps.exited(status, "watcher")
    document = json.loads(only(do.Answer, effects).outcome.payload)
    assert document == {"errorType": "Extension.Crash", "errorMessage": f"RequestId: id-1 Error: {reason}"}
    report = only(records.InvokeReport, effects)
    assert (report.status, report.error_type) == ("failure", "Extension.Crash")


def test_a_crash_after_the_response_takes_the_environment_but_not_the_answer() -> None:
    steps = idle(*BOTH)
    steps.invoke()
    steps.respond()
    steps.next()
    effects = steps.exited(1, "watcher")
    assert [answer.outcome.error_type for answer in steps.answers()] == [None]
    assert only(records.InvokeReport, effects).error_type == "Extension.Crash"
    assert steps.phase() is Phase.RESET
    assert do.Launch(Party("watcher")) in steps.exited(-15)
    assert steps.phase() is Phase.INIT


def test_identifiers_of_an_environment_that_has_ended_are_unknown() -> None:
    steps = idle(*BOTH)
    steps.invoke()
    steps.exited(1, "watcher")
    steps.exited(-15)
    with pytest.raises(Refused) as error:
        steps.asks("watcher")
    assert refusal_of(error) == (403, "Extension.UnknownExtensionIdentifier", "Unknown extension watcher-id")


# Telemetry subscriptions


def test_subscriptions_are_taken_until_the_init_is_over() -> None:
    closed = Refused(403, "Telemetry.SubscriptionClosed", "closed")
    steps = registered()
    assert steps.machine.subscribe("watcher-id", closed) == "watcher"
    steps.next()
    assert steps.machine.subscribe("watcher-id", closed) == "watcher"
    steps.asks("watcher")
    with pytest.raises(Refused, match="SubscriptionClosed"):
        steps.machine.subscribe("watcher-id", closed)
    with pytest.raises(Refused, match="UnknownExtensionIdentifier"):
        steps.machine.subscribe("nobody", closed)


# Memory


def test_over_its_memory_an_environment_is_ended_as_out_of_memory() -> None:
    steps = idle(*BOTH)
    steps.invoke()
    effects = steps.keep(steps.machine.over_memory(steps.now))
    assert effects[0] == do.Kill(RUNTIME_PARTY)
    assert json.loads(only(do.Answer, effects).outcome.payload) == {
        "errorType": "Runtime.OutOfMemory",
        "errorMessage": "RequestId: id-1 Error: Runtime exited with error: signal: killed",
    }
    assert only(records.InvokeReport, effects).error_type == "Runtime.OutOfMemory"


def test_a_process_that_the_kernel_ended_for_memory_is_told_from_others() -> None:
    steps = idle(*BOTH)
    steps.invoke()
    effects = steps.keep(steps.machine.exited(RUNTIME_PARTY, -9, steps.now, oom_killed=True))
    assert only(records.InvokeReport, effects).error_type == "Runtime.OutOfMemory"
    assert steps.machine.extensions.named("watcher").state is ExtensionState.RUNNING
