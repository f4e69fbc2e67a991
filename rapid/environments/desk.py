"""What the extensions of an environment ask, and what they are told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from rapid import ids
from rapid.core import effects as do
from rapid.core.effects import Effect
from rapid.core.environment import EnvironmentLifecycle
from rapid.core.machine import ExtensionInput
from rapid.environments.mailbox import EventPoll, Mailbox
from rapid.telemetry.log import EnvironmentLog
from rapid.telemetry.subscription import Subscription

FLUSH_LIMIT = 0.5
"""Seconds that telemetry subscribers have to take what is buffered before they hear of the shutdown."""


class ExtensionDesk:
    """Where extensions are known by their identifiers, and served.

    Args:
        lifecycle: decides.
        apply: carries out its effects.
        log: takes their subscriptions.
        drain: takes in all output written by now.
    """

    def __init__(
        self,
        lifecycle: EnvironmentLifecycle,
        apply: Callable[[list[Effect]], None],
        log: EnvironmentLog,
        drain: Callable[[], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._lifecycle = lifecycle
        self._apply = apply
        self._log = log
        self._drain = drain
        self._mailboxes: dict[str, Mailbox] = {}
        self._flushing: set[asyncio.Task[None]] = set()

    # From the Extensions and Telemetry APIs

    def register(self, name: str, events: Sequence[str]) -> str:
        """An extension registers: the identifier that it is known by from now on.

        Raises:
            Refused: against the rules.
        """
        identifier = ids.uuid4()
        effects = self._lifecycle.register(name, events, identifier)
        self._mailboxes[identifier] = Mailbox(self._loop)
        self._apply(effects)
        return identifier

    def next(self, identifier: str) -> tuple[EventPoll, Mailbox]:
        """An extension asks for its next event.

        Raises:
            Refused: unknown, or not in this state.
        """
        mailbox = self._mailboxes.get(identifier)
        effects: list[Effect] = []
        if mailbox is None or not mailbox.holds_event:
            effects = self._lifecycle.extension_next(identifier, time.monotonic())
        mailbox = self._mailboxes[identifier]
        poll = mailbox.park()
        self._apply(effects)
        return poll, mailbox

    def error(self, given: ExtensionInput, identifier: str, error_type: str) -> None:
        """An extension reports that it cannot start, or go on.

        Raises:
            Refused: unknown, or not in this state.
        """
        self._apply(self._lifecycle.extension_error(given, identifier, error_type, time.monotonic()))

    def check_extension(self, identifier: str) -> None:
        """See that there is an extension of that identifier.

        Raises:
            Refused: unknown.
        """
        self._lifecycle.extensions.find(identifier)

    def subscribe(self, identifier: str, subscription: Subscription) -> None:
        """An extension subscribes to telemetry.

        Raises:
            Refused: unknown, or its init is over.
        """
        name = self._lifecycle.subscribe(identifier, subscription.api.subscription_closed())
        self._log.subscribe(name, subscription)

    # From the environment

    def notify(self, effect: do.Notify) -> None:
        """An event for one of them."""
        mailbox = self._mailboxes[effect.identifier]
        if isinstance(effect.event, do.InvokeEvent):
            mailbox.put(effect.event)
            return
        task = self._loop.create_task(self._flush_and_notify(mailbox, effect.event))
        self._flushing.add(task)
        task.add_done_callback(self._flushing.discard)

    async def _flush_and_notify(self, mailbox: Mailbox, event: do.ExtensionEvent) -> None:
        """SHUTDOWN is the last that an extension hears: what happened before must have reached it."""
        self._drain()
        await self._log.flush(FLUSH_LIMIT)
        mailbox.put(event)

    def clean_up(self) -> None:
        """Forget those of an environment that has ended."""
        known = {extension.identifier for extension in self._lifecycle.extensions.registered}
        for identifier in set(self._mailboxes) - known:
            self._mailboxes.pop(identifier).release()

    def release(self) -> None:
        """Nobody is to wait here any more."""
        for mailbox in self._mailboxes.values():
            mailbox.release()
