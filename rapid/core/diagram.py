"""Draws the tables that run, as Mermaid diagrams: `python -m rapid.core.diagram [NAME]`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from rapid.core.ending import BUDGETS
from rapid.core.machine import EXTENSION, RUNTIME, ExtensionInput, ExtensionState, RuntimeState
from rapid.core.phase import EXTENSION_PHASE, JOINT_ORDER, RUNTIME_PHASE


def runtime() -> str:
    """The runtime's states and what moves it."""
    return _machine(RuntimeState.STARTED, RUNTIME)


def extension() -> str:
    """An extension's states and what moves it; its exit, possible anywhere, is left out."""
    shown = {
        state: {given: target for given, target in row.items() if given is not ExtensionInput.EXIT}
        for state, row in EXTENSION.items()
    }
    return _machine(ExtensionState.STARTED, shown)


def phases() -> str:
    """The phases in the order of the joint rule, and the states that hold an environment in each."""
    lines = ["flowchart LR"]
    for phase in JOINT_ORDER:
        runtimes = [f"runtime {state.value}" for state, held in RUNTIME_PHASE.items() if held is phase]
        extensions = [f"extension {state.value}" for state, held in EXTENSION_PHASE.items() if held is phase]
        lines.append(f'    {phase.value}["<b>{phase.value}</b><br/>{"<br/>".join(runtimes + extensions)}"]')
    lines.append("    " + " --> ".join(phase.value for phase in JOINT_ORDER))
    return "\n".join(lines)


def ending() -> str:
    """How long everybody has at the end, by who is registered."""
    lines = ["flowchart LR"]
    for company, budget in BUDGETS.items():
        steps = "SIGKILL at once"
        if budget.runtime:
            steps = f"runtime: SIGTERM, SIGKILL after {_ms(budget.runtime)}"
        if budget.total > budget.runtime:
            steps += f"<br/>then extensions: SHUTDOWN, SIGKILL at {_ms(budget.total)}"
        name = company.name.lower()
        lines.append(f'    {name}["{company.value}"] --> {name}_ends["{steps}"]')
    return "\n".join(lines)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms"


def _machine(first: Enum, table: Mapping[Any, Mapping[Any, Enum]]) -> str:
    lines = ["stateDiagram-v2", f"    [*] --> {first.value}"]
    for state, row in table.items():
        lines.extend(f"    {state.value} --> {target.value}: {given.name.lower()}" for given, target in row.items())
    return "\n".join(lines)


DIAGRAMS: Mapping[str, Callable[[], str]] = {
    "runtime": runtime,
    "extension": extension,
    "phases": phases,
    "ending": ending,
}

if __name__ == "__main__":
    sys.stdout.writelines(f"{DIAGRAMS[name]()}\n" for name in sys.argv[1:] or DIAGRAMS)
