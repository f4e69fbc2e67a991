"""How an environment is taken down, with a fake clock: who is told what, and when patience ends."""

from __future__ import annotations

import pytest

from rapid.core import effects as do
from rapid.core import records
from rapid.core.effects import RUNTIME_PARTY, Effect, Party
from rapid.core.machine import ExtensionInput
from rapid.core.phase import Phase
from tests.core.steps import Steps, only
from tests.core.steps import idle as alone

WATCHER = Party("watcher")


def environment(*events: str, internal: bool = False) -> Steps:
    """An idle environment with an external extension, or an internal one."""
    steps = Steps() if internal else Steps("watcher")
    steps.start()
    steps.register("watcher", *events)
    steps.asks("watcher")
    steps.next()
    return steps


def shutdowns(effects: list[Effect]) -> list[do.ShutdownEvent]:
    events = [effect.event for effect in effects if isinstance(effect, do.Notify)]
    return [event for event in events if isinstance(event, do.ShutdownEvent)]


def test_without_extensions_there_is_no_time_to_clean_up() -> None:
    effects = alone().stop()
    assert do.Kill(RUNTIME_PARTY) in effects
    assert not [effect for effect in effects if isinstance(effect, do.Terminate)]


def test_with_an_internal_extension_the_runtime_has_half_a_second() -> None:
    steps = environment("INVOKE", internal=True)
    effects = steps.stop()
    assert effects[-2:] == [do.SetDeadline(0.5), do.Terminate(RUNTIME_PARTY)]
    assert do.Kill(RUNTIME_PARTY) in steps.after(0.5).deadline()


def test_with_an_external_one_the_runtime_has_300_ms_and_all_two_seconds() -> None:
    steps = environment("INVOKE", "SHUTDOWN")
    assert steps.stop()[-2:] == [do.SetDeadline(0.3), do.Terminate(RUNTIME_PARTY)]
    effects = steps.after(0.3).deadline()
    assert do.Kill(RUNTIME_PARTY) in effects
    assert shutdowns(effects) == [do.ShutdownEvent("spindown", 2.0)]
    assert only(do.SetDeadline, effects).seconds == pytest.approx(1.7)
    steps.exited(-9)
    effects = steps.after(1.7).deadline()
    assert only(records.ExtensionStatus, effects).state == "ShutdownFailed"
    assert effects[-1] == do.Kill(WATCHER)
    steps.exited(-9, "watcher")
    assert steps.phase() is Phase.SHUTDOWN


def test_a_runtime_that_leaves_early_gives_its_time_to_the_extensions() -> None:
    steps = environment("SHUTDOWN")
    steps.stop()
    effects = steps.after(0.1).exited(-15)
    assert only(do.SetDeadline, effects).seconds == pytest.approx(1.9)
    assert shutdowns(effects) == [do.ShutdownEvent("spindown", 2.0)]
    assert steps.exited(0, "watcher") == [do.SetDeadline(None)]


def test_one_that_did_not_register_for_shutdown_is_ended_without_it() -> None:
    steps = environment("INVOKE")
    steps.stop()
    effects = steps.exited(-15)
    assert shutdowns(effects) == []
    assert do.Kill(WATCHER) in effects
    assert only(do.SetDeadline, effects).seconds is None


def test_one_at_work_is_told_when_it_asks() -> None:
    steps = environment("INVOKE", "SHUTDOWN")
    steps.invoke()
    steps.respond()
    steps.next()
    assert shutdowns(steps.exited(1)) == []
    assert shutdowns(steps.after(0.1).asks("watcher")) == [do.ShutdownEvent("failure", 2.0)]
    assert steps.asks("watcher") == [], "and not a second time"


def test_one_that_asks_while_the_runtime_still_has_its_time_waits() -> None:
    steps = environment("INVOKE", "SHUTDOWN")
    steps.invoke()
    steps.stop()
    assert steps.asks("watcher") == []
    assert len(shutdowns(steps.exited(-15))) == 1


@pytest.mark.parametrize(
    ("end", "reason"),
    [("deadline", "timeout"), ("exited", "failure"), ("stop", "spindown")],
)
def test_the_reason_is_told(end: str, reason: str) -> None:
    steps = environment("INVOKE", "SHUTDOWN")
    steps.invoke()
    steps.asks("watcher")
    effects = getattr(steps, end)()
    effects += steps.exited(-15) if end != "exited" else []
    assert [event.reason for event in shutdowns(effects)] == [reason]


def test_one_that_said_it_cannot_go_on_may_leave_by_itself() -> None:
    steps = environment("INVOKE", "SHUTDOWN")
    steps.reports_error(ExtensionInput.EXIT_ERROR, "watcher")
    effects = steps.exited(-15)
    assert do.Kill(WATCHER) not in effects
    assert shutdowns(effects) == []
    assert do.Kill(WATCHER) in steps.after(2).deadline()


def test_a_stop_during_a_reset_starts_nobody_again() -> None:
    steps = environment("SHUTDOWN")
    steps.invoke()
    steps.exited(1)
    assert steps.phase() is Phase.RESET
    assert steps.stop() == []
    steps.exited(0, "watcher")
    assert steps.phase() is Phase.SHUTDOWN
    assert len([effect for effect in steps.history if effect == do.Launch(WATCHER)]) == 1


def test_a_reset_starts_all_again_when_all_are_gone() -> None:
    steps = environment("SHUTDOWN")
    steps.invoke()
    steps.respond()
    steps.next()
    steps.exited(1)
    assert do.Launch(WATCHER) not in steps.history[-2:]
    assert steps.exited(0, "watcher")[-1] == do.Launch(WATCHER)
    assert steps.phase() is Phase.INIT


def test_out_of_memory_ends_everybody_when_the_end_has_begun_already() -> None:
    steps = environment("SHUTDOWN")
    steps.invoke()
    steps.exited(1)
    assert steps.keep(steps.machine.over_memory(steps.now)) == [do.Kill(WATCHER)]
