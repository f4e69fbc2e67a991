"""Who counts what happens, as the settings ask for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from starlette.types import ASGIApp

from rapid.asgi import Face
from rapid.core.tally import Counted
from rapid.frontends.metrics import MetricsFace
from rapid.settings import Settings
from rapid.telemetry.console import Console
from rapid.telemetry.observer import Observer, Unobserved, observed_by


def _nobody(_: Counted) -> None:
    """Nobody asks."""


def _nothing() -> None:
    """Nothing to do."""


@dataclass(frozen=True, slots=True)
class Watching:
    """Those that count; nobody, as it is made without arguments.

    Attributes:
        observer: all of them.
        faces: what they serve beside the Invoke API.
        application: what they serve on a listener of its own.
        watch: tells them the environments that they may ask.
        close: nothing happens any more: the last that they have to say.
    """

    observer: Observer = field(default_factory=Unobserved)
    faces: Sequence[Face] = ()
    application: ASGIApp | None = None
    watch: Callable[[Counted], None] = _nobody
    close: Callable[[], None] = _nothing


def watching_by(settings: Settings, console: Console) -> Watching:
    """What the settings ask for; what is not asked for is not even imported.

    Args:
        settings: metrics, and the function's name.
        console: where lines go.
    """
    asked, function = settings.metrics, settings.function
    observers: list[Observer] = []
    faces: Sequence[Face] = ()
    application: ASGIApp | None = None
    watch: Callable[[Counted], None] = _nobody
    if asked.path or asked.address:
        from rapid.telemetry.prometheus import Prometheus

        prometheus = Prometheus(function.name, function.version)
        face = MetricsFace(prometheus.exposition)
        observers.append(prometheus)
        watch = prometheus.watch
        faces = [face.at(asked.path)] if asked.path else ()
        application = face.alone() if asked.address else None
    close: Callable[[], None] = _nothing
    if asked.emf:
        from rapid.telemetry.emf import EmbeddedMetrics

        call_later = asyncio.get_running_loop().call_later
        embedded = EmbeddedMetrics(function.name, function.version, console.platform, call_later)
        observers.append(embedded)
        close = embedded.close
    return Watching(observed_by(observers), faces, application, watch, close)
