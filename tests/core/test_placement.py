"""Placement, as tables: who takes the next invocation, who is turned away, how fast environments may be started."""

from __future__ import annotations

import pytest

from rapid.core.phase import Phase
from rapid.core.placement import Limits, Reason, ScalingRate, Standing, Step, place, refusal, standing

PROVISIONED, READY, SNAPSHOT, COLD, COMING, BUSY, LEAVING = Standing
FOUR = Limits(environments=4, waiting=2)


@pytest.mark.parametrize(
    ("phase", "capacity", "running", "provisioned", "found"),
    [
        (Phase.IDLE, 1, 0, False, READY),
        (Phase.IDLE, 1, 0, True, PROVISIONED),
        (Phase.INVOKE, 0, 1, False, BUSY),
        (Phase.INVOKE, 0, 1, True, BUSY),
        (Phase.INVOKE, 3, 2, False, READY),  # it takes several at once
        (Phase.INVOKE, 3, 2, True, PROVISIONED),
        (Phase.SNAPSHOT, 1, 0, False, SNAPSHOT),
        (Phase.ABSENT, 1, 0, False, COLD),
        (Phase.ABSENT, 1, 0, True, COLD),  # nothing of it is ready
        (Phase.INIT, 0, 0, False, COMING),
        (Phase.INIT, 0, 1, False, BUSY),  # an init inside an invocation
        (Phase.RESTORE, 0, 0, False, COMING),
        (Phase.RESTORE, 0, 1, False, BUSY),
        (Phase.RESET, 0, 0, True, COMING),
        (Phase.SHUTDOWN, 0, 0, False, LEAVING),
        (Phase.SHUTDOWN, 0, 1, False, LEAVING),
    ],
)
def test_how_an_environment_stands(
    phase: Phase, capacity: int, running: int, provisioned: bool, found: Standing
) -> None:
    assert standing(phase, capacity, running, provisioned=provisioned) is found


@pytest.mark.parametrize(
    ("census", "waiting", "step"),
    [
        ({}, 0, Step.WAIT),  # nobody waits
        ({READY: 1}, 0, Step.WAIT),
        ({}, 1, Step.START),
        ({READY: 1, PROVISIONED: 1, SNAPSHOT: 1, COLD: 1}, 1, Step.PROVISIONED),
        ({READY: 1, SNAPSHOT: 1, COLD: 1}, 1, Step.READY),
        ({SNAPSHOT: 1, COLD: 1}, 1, Step.SNAPSHOT),
        ({COLD: 1, BUSY: 1}, 1, Step.COLD),
        ({BUSY: 3}, 1, Step.START),
        ({BUSY: 4}, 1, Step.WAIT),  # as many as there may be
        ({BUSY: 3, LEAVING: 1}, 1, Step.WAIT),  # who leaves still takes up room
        ({BUSY: 2, COMING: 1}, 1, Step.WAIT),  # the one that comes is for it
        ({BUSY: 2, COMING: 1}, 2, Step.START),
        ({BUSY: 3, COMING: 1}, 9, Step.WAIT),
    ],
)
def test_who_takes_the_next_invocation(census: dict[Standing, int], waiting: int, step: Step) -> None:
    assert place(census, waiting, FOUR) is step


def test_an_environment_that_comes_serves_as_many_as_it_takes_at_once() -> None:
    limits = Limits(environments=4, waiting=9, slots=3)
    steps = [place({COMING: 1}, waiting, limits) for waiting in (1, 3, 4)]
    assert steps == [Step.WAIT, Step.WAIT, Step.START]


@pytest.mark.parametrize(
    ("limits", "waiting", "on", "running", "census", "reason"),
    [
        (FOUR, 0, 0, 0, {}, None),
        (FOUR, 1, 5, 4, {BUSY: 4}, None),
        (FOUR, 2, 6, 4, {BUSY: 4}, Reason.CONCURRENCY),
        (FOUR, 2, 5, 3, {BUSY: 3}, None),  # one more will be started
        (FOUR, 3, 6, 3, {BUSY: 3}, Reason.CONCURRENCY),
        (FOUR, 2, 5, 3, {BUSY: 3, COMING: 1}, None),
        (FOUR, 2, 5, 3, {BUSY: 3, LEAVING: 1}, Reason.CONCURRENCY),
        (Limits(4, 0), 0, 3, 3, {BUSY: 3, READY: 1}, None),
        (Limits(4, 0), 0, 4, 4, {BUSY: 4}, Reason.CONCURRENCY),
        (Limits(4, 0), 1, 4, 3, {BUSY: 3, COMING: 1}, Reason.CONCURRENCY),
        (Limits(4, 0, slots=3), 2, 9, 9, {BUSY: 3, COMING: 1}, None),
        (Limits(4, 0, slots=3), 3, 12, 9, {BUSY: 3, COMING: 1}, Reason.CONCURRENCY),
        (Limits(1, 0, slots=8), 6, 7, 1, {BUSY: 1}, None),  # one worker is there, and the others come
        (Limits(1, 0, slots=8), 7, 8, 1, {BUSY: 1}, Reason.CONCURRENCY),
        (Limits(4, 9, reserved=0), 0, 0, 0, {READY: 4}, Reason.RESERVED),
        (Limits(4, 9, reserved=2), 0, 1, 1, {READY: 4}, None),
        (Limits(4, 9, reserved=2), 1, 2, 1, {READY: 4}, Reason.RESERVED),
    ],
)
def test_who_is_turned_away(
    limits: Limits, waiting: int, on: int, running: int, census: dict[Standing, int], reason: Reason | None
) -> None:
    assert refusal(waiting, on, running, census, limits) is reason


class TestScalingRate:
    def test_without_a_limit_nobody_waits(self) -> None:
        rate = ScalingRate(None)
        for _ in range(100):
            rate.started(0.0)
        assert rate.wait(0.0) == 0

    def test_as_many_as_there_may_be_at_once_then_one_after_the_other(self) -> None:
        rate = ScalingRate(2)
        for _ in range(2):
            assert rate.wait(100.0) == 0
            rate.started(100.0)
        assert rate.wait(100.0) == pytest.approx(5.0)
        assert rate.wait(103.0) == pytest.approx(2.0)
        assert rate.wait(105.0) == pytest.approx(0.0)

    def test_what_is_not_used_is_not_saved_up(self) -> None:
        rate = ScalingRate(2)
        for _ in range(2):
            assert rate.wait(10_000.0) == 0
            rate.started(10_000.0)
        assert rate.wait(10_000.0) > 0

    def test_more_than_there_may_be_are_paid_back(self) -> None:
        """Replacements of environments that have ended do not ask."""
        rate = ScalingRate(1)
        for _ in range(3):
            rate.started(0.0)
        assert rate.wait(0.0) == pytest.approx(30.0)
