"""The tables, and their complements."""

from __future__ import annotations

import pytest

from rapid.core.errors import Refused
from rapid.core.machine import (
    EXTENSION,
    RUNTIME,
    ExtensionInput,
    ExtensionState,
    RuntimeInput,
    RuntimeState,
    move,
    move_extension,
)
from rapid.core.phase import EXTENSION_PHASE, JOINT_ORDER, RUNTIME_PHASE, Phase, joint_phase

LEGAL = [(state, given) for state, row in RUNTIME.items() for given in row]
ILLEGAL = [(state, given) for state in RuntimeState for given in RuntimeInput if given not in RUNTIME[state]]
EXTENSION_LEGAL = [(state, given) for state, row in EXTENSION.items() for given in row]
EXTENSION_ILLEGAL = [
    (state, given) for state in ExtensionState for given in ExtensionInput if given not in EXTENSION[state]
]


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


@pytest.mark.parametrize(("state", "given"), EXTENSION_LEGAL)
def test_a_row_of_the_extensions_table_is_a_legal_move(state: ExtensionState, given: ExtensionInput) -> None:
    assert move_extension(state, given, "me").value == given.value or state is ExtensionState.SHUTTING_DOWN


@pytest.mark.parametrize(("state", "given"), EXTENSION_ILLEGAL)
def test_an_absent_row_of_the_extensions_table_is_refused(state: ExtensionState, given: ExtensionInput) -> None:
    with pytest.raises(Refused) as refusal:
        move_extension(state, given, "me")
    assert (refusal.value.status, refusal.value.error_type) == (403, "Extension.InvalidExtensionState")
    assert refusal.value.message == (
        f"State transition from {state.value} to {given.value} failed for extension me. "
        "Error: State transition is not allowed"
    )


def test_every_state_of_an_extension_has_a_row_can_be_reached_and_left_by_a_process() -> None:
    assert set(EXTENSION) == set(ExtensionState)
    reached = {target for row in EXTENSION.values() for target in row.values()}
    assert reached | {ExtensionState.STARTED} == set(ExtensionState)
    without_process = {ExtensionState.EXITED, ExtensionState.LAUNCH_ERROR}
    for state in set(ExtensionState) - without_process:
        assert EXTENSION[state][ExtensionInput.EXIT] is ExtensionState.EXITED
        if state is not ExtensionState.SHUTDOWN_FAILED:
            assert EXTENSION[state][ExtensionInput.EXPIRE] is ExtensionState.SHUTDOWN_FAILED


def test_every_state_has_a_row_and_can_be_reached() -> None:
    assert set(RUNTIME) == set(RuntimeState)
    reached = {target for row in RUNTIME.values() for target in row.values()}
    assert reached | {RuntimeState.STARTED} == set(RuntimeState)


def test_every_state_holds_the_environment_in_a_phase() -> None:
    assert set(RUNTIME_PHASE) == set(RuntimeState)
    assert set(RUNTIME_PHASE.values()) <= set(JOINT_ORDER)
    ends = {ExtensionState.SHUTTING_DOWN, ExtensionState.SHUTDOWN_FAILED, ExtensionState.EXITED}
    failed = {ExtensionState.INIT_ERROR, ExtensionState.EXIT_ERROR, ExtensionState.LAUNCH_ERROR}
    assert set(EXTENSION_PHASE) == set(ExtensionState) - ends - failed  # each of those begins an ending
    assert set(EXTENSION_PHASE.values()) == set(JOINT_ORDER) - {Phase.SNAPSHOT, Phase.RESTORE}  # the runtime's alone


@pytest.mark.parametrize(
    ("parties", "phase"),
    [
        ([], Phase.ABSENT),
        ([Phase.IDLE], Phase.IDLE),
        ([Phase.IDLE, Phase.IDLE], Phase.IDLE),
        ([Phase.IDLE, Phase.INVOKE], Phase.INVOKE),
        ([Phase.INVOKE, Phase.INIT], Phase.INIT),
        ([Phase.IDLE, Phase.INIT], Phase.INIT),
        ([Phase.SNAPSHOT, Phase.INIT], Phase.INIT),
        ([Phase.SNAPSHOT, Phase.IDLE], Phase.SNAPSHOT),
        ([Phase.RESTORE, Phase.IDLE], Phase.RESTORE),
        ([Phase.RESTORE, Phase.INIT], Phase.INIT),
    ],
)
def test_the_slowest_party_decides_the_phase(parties: list[Phase], phase: Phase) -> None:
    assert joint_phase(parties) is phase
    assert joint_phase(reversed(parties)) is phase
