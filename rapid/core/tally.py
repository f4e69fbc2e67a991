"""How all environments stand at one moment, and what follows for who sends invocations here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from rapid.core.phase import Phase

INITIALISED = frozenset({Phase.IDLE, Phase.INVOKE, Phase.SNAPSHOT, Phase.RESTORE})
"""Phases of an environment that has come through its init, or has another's behind it."""

ON_THE_WAY = frozenset({Phase.INIT, Phase.RESET})
"""Phases of one that is being initialised, or will be as soon as the one before it is gone."""


@dataclass(frozen=True, slots=True)
class Tally:
    """How all environments stand.

    Attributes:
        environments: how many stand in each phase; phases without any may be missing.
        concurrent: invocations that environments have.
        queued: invocations that wait for an environment.
        free: invocations that could be given to an environment at once: to those with nothing to do, and to those that
            may still be started.
    """

    environments: Mapping[Phase, int]
    concurrent: int
    queued: int
    free: int


class Counted(Protocol):
    """Environments that can be counted."""

    def tally(self) -> Tally:
        """How they stand now."""

    def initialise(self) -> None:
        """Start an environment whose init has failed once more, ahead of any invocation; nothing, if there is none."""


INIT_FAILED = "init has failed"


def unready(tally: Tally, *, ready_at_capacity: bool) -> str | None:
    """Why no invocations should be sent here now; None when they are welcome.

    Args:
        tally: how the environments stand.
        ready_at_capacity: ready also while none is free.
    """
    standing = {phase for phase, number in tally.environments.items() if number}
    if standing & INITIALISED:
        return None if ready_at_capacity or tally.free > 0 else "no environment is free"
    if standing & ON_THE_WAY:
        return "initialising"
    return INIT_FAILED  # also without any: a fork whose restore has failed is not kept
