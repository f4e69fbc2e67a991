"""Times of telemetry as OpenTelemetry has them: whole nanoseconds since the epoch."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

MS = 1_000_000
"""Nanoseconds of a millisecond."""


def nanoseconds(text: str) -> int:
    """A time of an event or a span, `2022-10-12T00:00:15.064Z`.

    Raises:
        ValueError: it is none.
    """
    moment = datetime.fromisoformat(text)
    return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1000


def duration(record: Mapping[str, Any], name: str = "durationMs") -> float | None:
    """A metric of a record in seconds; None where the record has none."""
    value = (record.get("metrics") or {}).get(name)
    return value / 1000 if isinstance(value, int | float) else None
