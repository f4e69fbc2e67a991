"""Snapshot points and restores, with a fake clock."""

from __future__ import annotations

import json

import pytest

from rapid.core import effects as do
from rapid.core import records
from rapid.core.effects import RUNTIME_PARTY, Party
from rapid.core.errors import Refused
from rapid.core.initialisation import InitializationType
from rapid.core.machine import RuntimeState
from rapid.core.phase import Phase
from rapid.core.restoration import RESTORE_LIMIT
from tests.core.steps import EPOCH, TIMEOUT, Steps, invocation, only, snap_start, snapshot

LONG = 130.0
HOOKS = "Runtime.RestoreHookUserTimeout"


@pytest.mark.parametrize(
    ("kind", "timeout", "limit"),
    [
        (InitializationType.ON_DEMAND, 300.0, 10.0),
        (InitializationType.PROVISIONED, 3.0, 130.0),
        (InitializationType.SNAP_START, 3.0, 130.0),
        (InitializationType.SNAP_START, 300.0, 300.0),
        (InitializationType.SNAP_START, 3600.0, 900.0),
    ],
)
def test_the_limit_of_an_init_depends_on_its_type(kind: InitializationType, timeout: float, limit: float) -> None:
    assert kind.init_limit(timeout) == limit


def test_restore_next_ends_init_and_all_rest() -> None:
    steps = snap_start()
    assert only(do.SetDeadline, steps.start()).seconds == LONG
    assert steps.after(0.25).restore_next() == [
        records.InitRuntimeDone("init", "success"),
        records.InitReport("init", "success", 250.0),
        do.SetDeadline(None),
    ]
    assert steps.phase() is Phase.SNAPSHOT


def test_a_restore_ahead_of_an_invocation_ends_with_next() -> None:
    steps = snapshot()
    assert steps.restore() == [records.RestoreStart(), do.SetDeadline(RESTORE_LIMIT), do.Restore()]
    assert steps.phase() is Phase.RESTORE
    assert steps.after(0.25).next() == [
        records.RestoreRuntimeDone("success"),
        records.RestoreReport("success", 250.0),
        do.SetDeadline(None),
    ]
    assert steps.phase() is Phase.IDLE
    assert steps.invoke()[0] == do.SetDeadline(TIMEOUT)
    steps.after(0.1).respond()
    report = only(records.InvokeReport, steps.next())
    assert (report.init_ms, report.restore_ms) == (None, 250.0)
    steps.invoke(2)
    steps.respond(2)
    assert only(records.InvokeReport, steps.next()).restore_ms is None


def test_an_invocation_restores_and_its_own_time_begins_behind_that() -> None:
    steps = snapshot()
    assert steps.invoke() == [records.RestoreStart(), do.SetDeadline(RESTORE_LIMIT), do.Restore()]
    effects = steps.after(2).next()
    delivered = only(do.Deliver, effects)
    assert delivered.attempt.deadline_ms == int((EPOCH + 2.5 + TIMEOUT) * 1000)
    assert effects == [
        records.RestoreRuntimeDone("success"),
        records.RestoreReport("success", 2000.0),
        do.SetDeadline(TIMEOUT),
        delivered,
        records.InvokeStart(invocation()),
    ]
    steps.after(1).respond()
    report = only(records.InvokeReport, steps.next())
    assert (report.duration_ms, report.restore_ms, report.billed_ms) == (1000.0, 2000.0, 3000)


def test_asking_again_for_the_restore_is_harmless() -> None:
    steps = snapshot()
    assert steps.restore_next() == []
    assert steps.phase() is Phase.SNAPSHOT
    steps.restore()
    assert steps.restore_next() == [do.Restore()]
    assert steps.phase() is Phase.RESTORE


def test_a_runtime_that_goes_straight_to_next_has_had_a_plain_init() -> None:
    steps = snap_start()
    steps.start()
    assert steps.next()[-1] == do.SetDeadline(None)
    assert steps.phase() is Phase.IDLE
    steps.invoke()
    steps.respond()
    report = only(records.InvokeReport, steps.next())
    assert (report.init_ms, report.restore_ms) == (None, None)


def test_hooks_that_fail_are_told_to_the_caller() -> None:
    steps = snapshot()
    steps.invoke()
    effects = steps.after(0.25).restore_error()
    assert effects[:3] == [
        do.SetDeadline(None),
        records.RestoreRuntimeDone("error", "Runtime.AfterRestoreError"),
        records.RestoreReport("error", 250.0, "Runtime.AfterRestoreError"),
    ]
    assert only(do.Answer, effects).outcome.payload == b'{"errorType":"R"}'
    report = only(records.InvokeReport, effects)
    assert (report.status, report.error_type, report.duration_ms) == ("failure", "Runtime.AfterRestoreError", 0.0)
    assert steps.exited(65) == [do.SetDeadline(None)]
    assert steps.phase() is Phase.ABSENT


def test_an_init_error_during_a_restore_is_a_restore_error() -> None:
    steps = snapshot()
    steps.invoke()
    effects = steps.init_error()
    assert only(records.RestoreReport, effects).status == "error"
    assert only(do.Answer, effects).outcome.payload == b'{"errorType":"I"}'
    assert steps.machine.runtime_state is RuntimeState.RESTORE_ERROR


def test_hooks_that_take_too_long_are_an_exception_of_the_service() -> None:
    steps = snapshot()
    steps.invoke()
    effects = steps.after(RESTORE_LIMIT).deadline()
    assert only(records.RestoreRuntimeDone, effects) == records.RestoreRuntimeDone("timeout", HOOKS)
    assert only(records.RestoreReport, effects) == records.RestoreReport("timeout", 10_000.0, HOOKS)
    abandoned = only(do.Abandon, effects)
    assert abandoned.exception == "SnapStartTimeoutException"
    assert abandoned.message == "RequestId: id-1 Error: Restore hooks timed out after 10.00 seconds"
    report = only(records.InvokeReport, effects)
    assert (report.status, report.error_type, report.duration_ms) == ("failure", HOOKS, 0.0)
    assert effects[-1] == do.Kill(RUNTIME_PARTY)


@pytest.mark.parametrize("status", [64, 65, -9])
def test_a_runtime_that_leaves_during_its_restore_is_an_exit_error(status: int) -> None:
    steps = snapshot()
    steps.invoke()
    effects = steps.exited(status)
    assert json.loads(only(do.Answer, effects).outcome.payload)["errorType"] == "Runtime.ExitError"
    assert only(records.RestoreReport, effects).error_type == "Runtime.ExitError"
    assert steps.phase() is Phase.ABSENT


def test_a_runtime_that_leaves_at_the_snapshot_point_is_started_by_the_next_invocation() -> None:
    steps = snapshot()
    steps.exited(1)
    assert steps.phase() is Phase.ABSENT
    effects = steps.invoke()
    assert effects == [records.InitStart("init"), do.SetDeadline(LONG), do.Launch(RUNTIME_PARTY)]
    assert steps.after(20).restore_next() == [
        records.InitRuntimeDone("init", "success"),
        records.InitReport("init", "success", 20_000.0),
        records.RestoreStart(),
        do.SetDeadline(RESTORE_LIMIT),
        do.Restore(),
    ]
    effects = steps.after(5).next()
    assert only(do.SetDeadline, effects).seconds == TIMEOUT
    assert only(do.Deliver, effects).attempt.invocation_id == "attempt-1"
    steps.after(1).respond()
    assert only(records.InvokeReport, steps.next()).duration_ms == pytest.approx(1000)


def test_an_init_that_an_invocation_waits_for_has_a_limit_of_its_own() -> None:
    steps = snap_start()
    steps.invoke()
    effects = steps.after(LONG).deadline()
    assert json.loads(only(do.Answer, effects).outcome.payload)["errorMessage"] == (
        "RequestId: id-1 Error: Init timed out after 130.00 seconds"
    )
    assert only(records.InitReport, effects) == records.InitReport("init", "timeout", 130_000.0)
    report = only(records.InvokeReport, effects)
    assert (report.status, report.error_type, report.duration_ms) == ("failure", "Sandbox.Timedout", 0.0)


def test_after_a_timeout_it_is_initialised_up_to_the_snapshot_point_and_restored_by_the_next_invocation() -> None:
    steps = snapshot()
    steps.invoke()
    steps.next()
    steps.after(TIMEOUT).deadline()
    assert steps.exited()[-1] == do.Launch(RUNTIME_PARTY)
    steps.restore_next()
    assert steps.phase() is Phase.SNAPSHOT
    assert do.Restore() in steps.invoke(2)


@pytest.mark.parametrize("call", ["next", "init_error", "restore_error"])
def test_at_the_snapshot_point_a_runtime_can_only_wait(call: str) -> None:
    steps = snapshot()
    with pytest.raises(Refused, match="from RestoreReady to"):
        getattr(steps, call)()
    assert steps.phase() is Phase.SNAPSHOT


def test_a_restore_error_needs_a_restore() -> None:
    steps = snap_start()
    steps.start()
    with pytest.raises(Refused, match="from Started to RuntimeRestoreErrorState"):
        steps.restore_error()
    steps.next()
    with pytest.raises(Refused, match="from Ready to RestoreReady"):
        steps.restore_next()


def test_the_snapshot_point_waits_for_the_extensions() -> None:
    steps = snap_start("a")
    steps.start()
    steps.register("a", "INVOKE")
    steps.restore_next()
    assert steps.phase() is Phase.INIT
    assert only(records.InitReport, steps.asks("a")).status == "success"
    assert steps.phase() is Phase.SNAPSHOT
    with pytest.raises(Refused, match="Extension registration closed already"):
        steps.register("inside", "INVOKE")
    effects = steps.invoke()
    assert not [effect for effect in effects if isinstance(effect, do.Notify)]
    assert only(do.Notify, steps.next()).identifier == "a-id"


@pytest.mark.parametrize("where", ["snapshot", "restore"])
def test_a_stop_abandons_who_waits_for_a_restore(where: str) -> None:
    steps = snapshot()
    if where == "restore":
        steps.invoke()
    effects = steps.stop()
    assert do.Kill(RUNTIME_PARTY) in effects
    if where == "restore":
        assert only(do.Abandon, effects).exception == "ServiceException"
    steps.exited()
    assert steps.phase() is Phase.SHUTDOWN


# Environments whose runtime comes out of a snapshot


def restored(*external: str) -> Steps:
    return Steps(*external, initialization_type=InitializationType.SNAP_START, restored=True)


def test_a_restored_environment_begins_with_its_restore() -> None:
    steps = restored()
    assert steps.start() == [records.RestoreStart(), do.SetDeadline(RESTORE_LIMIT), do.Launch(RUNTIME_PARTY)]
    assert steps.phase() is Phase.RESTORE
    assert steps.after(0.25).next() == [
        records.RestoreRuntimeDone("success"),
        records.RestoreReport("success", 250.0),
        do.SetDeadline(None),
    ]
    assert steps.phase() is Phase.IDLE


def test_an_invocation_may_begin_a_restored_environment() -> None:
    steps = restored()
    assert steps.invoke()[-1] == do.Launch(RUNTIME_PARTY)
    assert only(do.Deliver, steps.after(1).next()).attempt.invocation_id == "attempt-1"
    steps.respond()
    assert only(records.InvokeReport, steps.next()).restore_ms == 1000.0


def test_its_extensions_start_and_register_first() -> None:
    steps = restored("a")
    assert steps.start()[-1] == do.Launch(Party("a"))
    assert steps.phase() is Phase.INIT
    assert steps.after(3).register("a", "INVOKE") == [do.SetDeadline(RESTORE_LIMIT), do.Launch(RUNTIME_PARTY)]
    assert only(records.RestoreRuntimeDone, steps.next()).status == "success"
    steps.asks("a")
    assert steps.phase() is Phase.IDLE


def test_it_is_over_when_the_runtime_and_all_extensions_are_done() -> None:
    steps = restored("a")
    steps.invoke()
    steps.register("a", "INVOKE")
    assert steps.asks("a") == [records.ExtensionStatus("a", "Ready", ("INVOKE",))]
    assert steps.phase() is Phase.RESTORE
    effects = steps.next()
    assert only(records.RestoreReport, effects).status == "success"
    assert only(do.Notify, effects).identifier == "a-id"


def test_a_restored_environment_whose_extension_is_late_blames_no_hook() -> None:
    steps = restored("a")
    steps.start()
    effects = steps.after(RESTORE_LIMIT).deadline()
    assert only(records.FaultRecord, effects).reason == "Init timed out after 10.00 seconds"


@pytest.mark.parametrize("when", ["restoring", "idle", "invoked"])
def test_a_restored_environment_is_not_started_again(when: str) -> None:
    steps = restored()
    steps.start()
    if when != "restoring":
        steps.next()
    if when == "invoked":
        steps.invoke()
    steps.exited(1)
    assert steps.phase() is Phase.ABSENT
    assert steps.machine.spent
    with pytest.raises(RuntimeError, match="cannot invoke"):
        steps.invoke(2)
