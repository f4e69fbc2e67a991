"""The runtime's table, and its complement."""

from __future__ import annotations

import pytest

from rapid.core.errors import Refused
from rapid.core.machine import RUNTIME, RuntimeInput, RuntimeState, move
from rapid.core.phase import JOINT_ORDER, RUNTIME_PHASE, Phase, joint_phase

LEGAL = [(state, given) for state, row in RUNTIME.items() for given in row]
ILLEGAL = [(state, given) for state in RuntimeState for given in RuntimeInput if given not in RUNTIME[state]]


@pytest.mark.parametrize(("state", "given"), LEGAL)
def test_a_row_of_the_table_is_a_legal_move(state: RuntimeState, given: RuntimeInput) -> None:
    assert move(state, given) in RuntimeState


@pytest.mark.parametrize(("state", "given"), ILLEGAL)
def test_an_absent_row_is_refused_and_names_both_ends(state: RuntimeState, given: RuntimeInput) -> None:
    with pytest.raises(Refused) as refusal:
        move(state, given)
    assert refusal.value.status == 403
    assert refusal.value.error_type == "InvalidStateTransition"
    assert refusal.value.message == (
        f"State transition from {state.value} to {given.value} failed for runtime. "
        "Error: State transition is not allowed"
    )


def test_every_state_has_a_row_and_can_be_reached() -> None:
    assert set(RUNTIME) == set(RuntimeState)
    reached = {target for row in RUNTIME.values() for target in row.values()}
    assert reached | {RuntimeState.STARTED} == set(RuntimeState)


def test_every_state_holds_the_environment_in_a_phase() -> None:
    assert set(RUNTIME_PHASE) == set(RuntimeState)
    assert set(RUNTIME_PHASE.values()) <= set(JOINT_ORDER)


@pytest.mark.parametrize(
    ("parties", "phase"),
    [
        ([], Phase.ABSENT),
        ([Phase.IDLE], Phase.IDLE),
        ([Phase.IDLE, Phase.IDLE], Phase.IDLE),
        ([Phase.IDLE, Phase.INVOKE], Phase.INVOKE),
        ([Phase.INVOKE, Phase.INIT], Phase.INIT),
        ([Phase.IDLE, Phase.INIT], Phase.INIT),
    ],
)
def test_the_slowest_party_decides_the_phase(parties: list[Phase], phase: Phase) -> None:
    assert joint_phase(parties) is phase
    assert joint_phase(reversed(parties)) is phase
