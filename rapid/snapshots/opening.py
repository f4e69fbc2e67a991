"""The backends by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rapid.environments.reaper import Reaper
from rapid.snapshots.backend import NoSnapshots, SnapshotBackend
from rapid.snapshots.forking import Forking
from rapid.snapshots.hosts import EnvironmentFactory, InitialisedHost


@dataclass(frozen=True, slots=True)
class Means:
    """What backends are made with.

    Attributes:
        factory: makes the environments of templates.
        reaper: tells of exits.
        task_root: where the function's files are.
    """

    factory: EnvironmentFactory
    reaper: Reaper
    task_root: str


BACKENDS: Mapping[str, Callable[[Means], SnapshotBackend]] = {
    "none": lambda _: NoSnapshots(),
    "fork": lambda means: Forking(lambda: InitialisedHost(means.factory), means.reaper, means.task_root),
}
"""Name, as `--snapshot` has it → how it is made, in a running loop."""
