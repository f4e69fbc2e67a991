"""What happened since the init phase began, for extensions that subscribe in the middle of it."""

from __future__ import annotations

from dataclasses import dataclass

from rapid.core.records import Record

Message = str | bytes
"""A log message: text, or the bytes of a JSON object."""

MOST_BYTES = 4 * 1024 * 1024
"""Bytes of log messages that are kept."""

MOST_MESSAGES = 20_000
"""How many log messages are kept."""


@dataclass(frozen=True, slots=True)
class Happened:
    """A platform record with what the shell adds to it.

    Attributes:
        record: from the core.
        epoch: when it was made, seconds since the epoch.
        clock_offset: seconds to add to the core's times to get seconds since the epoch.
        max_memory_mb: the most memory that was used, MB.
    """

    record: Record
    epoch: float
    clock_offset: float
    max_memory_mb: int


@dataclass(frozen=True, slots=True)
class Subscribed:
    """An extension has subscribed; `state` is AWS's word for it."""

    name: str
    state: str
    types: tuple[str, ...]
    epoch: float


@dataclass(frozen=True, slots=True)
class Logged:
    """Messages of one stream (`function` or `extension`), all read at the same time."""

    stream: str
    epoch: float
    messages: tuple[Message, ...]


class Replay:
    """Keeps what happened in order: of log messages the first ones, so many as fit.

    Attributes:
        items: what happened.
        lost: by stream, how many messages and bytes were not kept.
    """

    def __init__(self) -> None:
        self.items: list[Happened | Subscribed | Logged] = []
        self.lost: dict[str, tuple[int, int]] = {}
        self._messages = 0
        self._bytes = 0

    def add(self, item: Happened | Subscribed) -> None:
        """Keep a platform record: there are few."""
        self.items.append(item)

    def log(self, logged: Logged) -> None:
        """Keep messages, all or, when there are too many already, none."""
        size = sum(map(len, logged.messages))
        if self._bytes + size > MOST_BYTES or self._messages + len(logged.messages) > MOST_MESSAGES:
            messages, lost = self.lost.get(logged.stream, (0, 0))
            self.lost[logged.stream] = (messages + len(logged.messages), lost + size)
            return
        self._bytes += size
        self._messages += len(logged.messages)
        self.items.append(logged)
