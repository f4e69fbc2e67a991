"""When invocations are welcome."""

from __future__ import annotations

import pytest

from rapid.core.phase import Phase
from rapid.core.tally import Tally, unready

CASES = [
    ({}, "init has failed"),
    ({Phase.INIT: 1}, "initialising"),
    ({Phase.RESET: 1}, "initialising"),
    ({Phase.RESET: 1, Phase.ABSENT: 1}, "initialising"),
    ({Phase.ABSENT: 1}, "init has failed"),
    ({Phase.ABSENT: 2, Phase.SHUTDOWN: 1}, "init has failed"),
    ({Phase.IDLE: 0, Phase.ABSENT: 1}, "init has failed"),
    ({Phase.IDLE: 1}, None),
    ({Phase.INVOKE: 1}, None),
    ({Phase.INVOKE: 1, Phase.INIT: 3}, None),
    ({Phase.IDLE: 1, Phase.ABSENT: 3}, None),
]


@pytest.mark.parametrize(("environments", "reason"), CASES)
def test_one_environment_that_is_initialised_makes_ready(environments: dict[Phase, int], reason: str | None) -> None:
    assert unready(Tally(environments, 0, 0, 0), ready_at_capacity=True) == reason


@pytest.mark.parametrize(("free", "reason"), [(0, "no environment is free"), (1, None)])
def test_at_capacity_it_is_not_ready_where_that_is_asked_for(free: int, reason: str | None) -> None:
    assert unready(Tally({Phase.INVOKE: 2}, 2, 0, free), ready_at_capacity=False) == reason


def test_the_capacity_is_no_reason_before_the_first_init() -> None:
    assert unready(Tally({Phase.INIT: 1}, 0, 0, 0), ready_at_capacity=False) == "initialising"
