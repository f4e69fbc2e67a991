"""The backends by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rapid.environments.reaper import Reaper
from rapid.snapshots.backend import NoSnapshots, SnapshotBackend
from rapid.snapshots.criu import Criu
from rapid.snapshots.forking import Forking
from rapid.snapshots.hosts import EnvironmentFactory, InitialisedHost
from rapid.snapshots.manifest import Place
from rapid.snapshots.restoring import RestoredHost, RestoredOrInitialised
from rapid.snapshots.store import Store


@dataclass(frozen=True, slots=True)
class Means:
    """What backends are made with.

    Attributes:
        factory: makes the environments of templates.
        reaper: tells of exits.
        place: where the function is, and what it is given; `snapshotting.place`.
        folder: of the snapshot on disk; None where there is none.
    """

    factory: EnvironmentFactory
    reaper: Reaper
    place: Place
    folder: str | None = None


BACKENDS: Mapping[str, Callable[[Means], SnapshotBackend]] = {
    "none": lambda _: NoSnapshots(),
    "fork": lambda means: Forking(lambda: InitialisedHost(means.factory), means.reaper, means.place.root),
    "criu": lambda means: Forking(lambda: _on_disk(means), means.reaper, means.place.root),
}
"""Name, as `--snapshot` has it → how it is made, in a running loop."""


def _on_disk(means: Means) -> RestoredOrInitialised:
    folder = means.folder or ""
    restored = RestoredHost(Store(Path(folder)), Criu(means.reaper), means.reaper, means.place)
    return RestoredOrInitialised(restored, InitialisedHost(means.factory), folder)
