"""Draws the tables that run, as Mermaid diagrams: `python -m rapid.core.diagram [NAME]`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

from rapid.core.machine import RUNTIME, RuntimeState
from rapid.core.phase import JOINT_ORDER, RUNTIME_PHASE


def runtime() -> str:
    """The runtime's states and what moves it."""
    lines = ["stateDiagram-v2", f"    [*] --> {RuntimeState.STARTED.value}"]
    for state, row in RUNTIME.items():
        lines.extend(f"    {state.value} --> {target.value}: {given.name.lower()}" for given, target in row.items())
    return "\n".join(lines)


def phases() -> str:
    """The phases in the order of the joint rule, and the states that hold an environment in each."""
    lines = ["flowchart LR"]
    for phase in JOINT_ORDER:
        states = "<br/>".join(state.value for state, held in RUNTIME_PHASE.items() if held is phase)
        lines.append(f'    {phase.value}["<b>{phase.value}</b><br/>{states}"]')
    lines.append("    " + " --> ".join(phase.value for phase in JOINT_ORDER))
    return "\n".join(lines)


DIAGRAMS: Mapping[str, Callable[[], str]] = {"runtime": runtime, "phases": phases}

if __name__ == "__main__":
    sys.stdout.writelines(f"{DIAGRAMS[name]()}\n" for name in sys.argv[1:] or DIAGRAMS)
