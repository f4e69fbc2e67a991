"""Readiness: a failed init is tried again while somebody asks, at growing intervals."""

from __future__ import annotations

from rapid.core.phase import Phase
from rapid.core.tally import Tally
from rapid.readiness import FIRST_PAUSE, LONGEST_PAUSE, Ready


class Environments:
    """One environment in whatever phase the test says."""

    def __init__(self) -> None:
        self.phase = Phase.INIT
        self.tries = 0

    def tally(self) -> Tally:
        return Tally({self.phase: 1}, 0, 0, 1)

    def initialise(self) -> None:
        self.tries += 1
        self.phase = Phase.INIT


class Scene:
    """Readiness with a clock that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.leaving = False
        self.environments = Environments()
        self.ready = Ready(self.environments, lambda: self.leaving, clock=lambda: self.now)

    def asked_for(self, seconds: float) -> list[float]:
        """Ask each second for so long, while every init fails: when it was tried again."""
        tried = []
        began = self.now
        while self.now < began + seconds:
            before = self.environments.tries
            self.environments.phase = Phase.ABSENT
            assert self.ready.unready() == "init has failed"
            if self.environments.tries > before:
                tried.append(self.now - began)
            self.now += 1
        return tried


def test_a_failed_init_is_tried_again_with_pauses_that_grow() -> None:
    scene = Scene()
    assert scene.ready.unready() == "initialising"
    tried = scene.asked_for(2000)
    pauses = [later - earlier for earlier, later in zip([0.0, *tried], tried, strict=False)]
    assert pauses[0] == FIRST_PAUSE
    assert pauses[1] == 2 * FIRST_PAUSE + 1  # it counts from when the failure is seen
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE + 1


def test_an_init_that_succeeds_makes_the_pauses_short_again() -> None:
    scene = Scene()
    scene.asked_for(300)
    scene.environments.phase = Phase.IDLE
    assert scene.ready.unready() is None
    assert scene.asked_for(FIRST_PAUSE + 1) == [FIRST_PAUSE]


def test_on_the_way_out_nothing_is_tried() -> None:
    scene = Scene()
    scene.asked_for(5)
    scene.leaving = True
    scene.now += 1000
    assert scene.ready.unready() == "draining"
    assert scene.environments.tries == 0
