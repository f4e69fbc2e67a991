"""One environment's telemetry: from what happens to the events of each subscriber.

An event is rendered and encoded once for all subscribers that see it alike. Once the init phase is over and nobody has
subscribed, nothing is rendered, kept or looked at.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from rapid.core.records import InitStart, Record
from rapid.telemetry.destination import Destination, connect
from rapid.telemetry.events import SCHEMAS, event, platform_event, timestamp
from rapid.telemetry.facts import Facts
from rapid.telemetry.logs_events import logs_events
from rapid.telemetry.replay import Happened, Logged, Message, Replay, Subscribed
from rapid.telemetry.subscriber import CallLater, Subscriber
from rapid.telemetry.subscription import Api, HttpDestination, Subscription, TcpDestination

_encode = msgspec.json.Encoder().encode
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Publisher:
    """Takes records and log messages, and gives them to subscribers by what they subscribed to.

    Args:
        facts: the function and the environment.
        open_destination: how destinations are reached.
        call_later: clock of the subscribers, see there.
        wall: seconds since the epoch.
        monotonic: the core's clock.
        on_lost: is called with the number of records that a subscriber will not get.

    Attributes:
        wants_platform: whether records go anywhere.
        wants_function_logs: whether messages given to `function` go anywhere.
        wants_extension_logs: whether messages given to `extension` go anywhere.
    """

    def __init__(
        self,
        facts: Facts,
        *,
        open_destination: Callable[[HttpDestination | TcpDestination], Destination] = connect,
        call_later: CallLater | None = None,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        on_lost: Callable[[int], None] | None = None,
    ) -> None:
        self._on_lost = on_lost
        self._facts = facts
        self._open = open_destination
        self._call_later = call_later
        self._wall = wall
        self._monotonic = monotonic
        self._subscribed: dict[str, tuple[Subscription, Subscriber]] = {}
        self._replay: Replay | None = Replay()
        self._parting: dict[asyncio.Task[None], Subscriber] = {}
        self._arrange()

    # What happens

    def record(self, record: Record, max_memory_mb: int) -> None:
        """A platform record; the start of an init begins the replay anew.

        Args:
            record: from the core.
            max_memory_mb: the most memory that was used, MB; for reports.
        """
        if isinstance(record, InitStart):
            self._replay = Replay()
            self._arrange()
        if not self.wants_platform:
            return
        now = self._wall()
        self._platform(Happened(record, now, now - self._monotonic(), max_memory_mb))

    def function(self, messages: Sequence[Message], epoch: float) -> None:
        """Log messages of the function.

        Args:
            messages: text, or bytes that hold a JSON object.
            epoch: when they were written or read, seconds since the epoch.
        """
        if self.wants_function_logs and messages:
            self._log(Logged("function", epoch, tuple(messages)))

    def extension(self, messages: Sequence[Message], epoch: float) -> None:
        """Log messages of an extension; arguments as for `function`."""
        if self.wants_extension_logs and messages:
            self._log(Logged("extension", epoch, tuple(messages)))

    # Subscriptions

    def subscribe(self, name: str, subscription: Subscription) -> str:
        """Subscribe an extension, in place of what it had subscribed to before; `Subscribed` or `Already subscribed`.

        A new subscriber gets the init phase's events so far, then all that follow. The same subscription again changes
        nothing.

        Args:
            name: the extension's.
            subscription: what it asks for.

        Raises:
            Refused: 400, it has subscribed through the other API before.
        """
        before = self._subscribed.get(name)
        if before and before[0].api is not subscription.api:
            message = f"extension {name} has subscribed through the {before[0].api.title} already"
            raise subscription.api.validation_error(message)
        state = "Already subscribed" if before and before[0] == subscription else "Subscribed"
        if state == "Subscribed":
            if before:
                self._part(before[1])  # the replay has all that it had
            subscriber = Subscriber(
                self._open(subscription.destination),
                subscription.buffering,
                name=name,
                call_later=self._call_later,
                wall=self._wall,
                on_lost=self._on_lost,
            )
            self._subscribed[name] = (subscription, subscriber)
            self._arrange()
            self._catch_up(subscription, subscriber)
        self._platform(Subscribed(name, state, subscription.types, self._wall()))
        return state

    def init_closed(self) -> None:
        """No subscription is taken any more: nothing need be kept for one."""
        self._replay = None
        self._arrange()

    def restart(self) -> None:
        """The environment is reset: its extensions are gone, and their subscriptions; the next init is kept.

        What they have not got is given up: at their port may be the next extension, for whom it is not.
        """
        for _, subscriber in self._subscribed.values():
            self._part(subscriber)
        self._subscribed.clear()
        self._replay = Replay()
        self._arrange()

    async def flush(self, seconds: float) -> bool:
        """Deliver all that is here now; False when it is not done in so many seconds."""
        flushes = [subscriber.flush(seconds) for _, subscriber in self._subscribed.values()]
        return all(await asyncio.gather(*flushes))

    async def close(self) -> None:
        """Stop at once; what is not delivered is given up. `flush` comes before."""
        subscribers = [subscriber for _, subscriber in self._subscribed.values()]
        self._subscribed.clear()
        self.init_closed()
        parting = list(self._parting)
        subscribers += self._parting.values()  # a task that has not begun yet would not close its own
        for task in parting:
            task.cancel()
        await asyncio.gather(*parting, return_exceptions=True)
        await asyncio.gather(*(subscriber.close() for subscriber in subscribers))

    # Inside

    def _arrange(self) -> None:
        """Who sees which stream in which form. Called when subscribers change, so that events need not look."""
        self._platforms: dict[tuple[Api, str], list[Subscriber]] = {}
        self._readers: dict[str, dict[bool, list[Subscriber]]] = {"function": {}, "extension": {}}
        for subscription, subscriber in self._subscribed.values():
            if "platform" in subscription.types:
                self._platforms.setdefault((subscription.api, subscription.schema), []).append(subscriber)
            for stream, readers in self._readers.items():
                if stream in subscription.types:
                    readers.setdefault(_sees_objects(subscription), []).append(subscriber)
        self.wants_platform = bool(self._platforms) or self._replay is not None
        self.wants_function_logs = bool(self._readers["function"]) or self._replay is not None
        self.wants_extension_logs = bool(self._readers["extension"]) or self._replay is not None

    def _platform(self, item: Happened | Subscribed) -> None:
        if self._replay is not None:
            self._replay.add(item)
        for (api, schema), subscribers in self._platforms.items():
            for encoded in self._rendered(item, api, schema):
                for subscriber in subscribers:
                    subscriber.publish(encoded)

    def _log(self, logged: Logged) -> None:
        if self._replay is not None:
            self._replay.log(logged)
        for objects, subscribers in self._readers[logged.stream].items():
            for encoded in encoded_messages(logged, objects):
                for subscriber in subscribers:
                    subscriber.publish(encoded)

    def _catch_up(self, subscription: Subscription, subscriber: Subscriber) -> None:
        """Give a new subscriber what it has missed of the init phase."""
        if self._replay is None:
            return
        for item in self._replay.items:
            encoded: Iterable[bytes] = ()
            if isinstance(item, Logged):
                if item.stream in subscription.types:
                    encoded = encoded_messages(item, _sees_objects(subscription))
            elif "platform" in subscription.types:
                encoded = self._rendered(item, subscription.api, subscription.schema)
            for each in encoded:
                subscriber.publish(each)
        for stream, (records, size) in self._replay.lost.items():
            if stream in subscription.types:
                subscriber.lose(records, size)

    def _rendered(self, item: Happened | Subscribed, api: Api, schema: str) -> Iterator[bytes]:
        """The events of a platform record as a schema has them, encoded."""
        if isinstance(item, Subscribed):
            kind = "platform.telemetrySubscription" if api is Api.TELEMETRY else "platform.logsSubscription"
            yield _encode(event(item.epoch, kind, {"name": item.name, "state": item.state, "types": item.types}))
        elif api is Api.LOGS:
            memory = item.max_memory_mb
            yield from map(
                _encode, logs_events(item.record, self._facts, epoch=item.epoch, max_memory_mb=memory, schema=schema)
            )
        else:
            made = platform_event(
                item.record,
                self._facts,
                epoch=item.epoch,
                clock_offset=item.clock_offset,
                max_memory_mb=item.max_memory_mb,
                schema=schema,
            )
            if made is not None:
                yield _encode(made)

    def _part(self, subscriber: Subscriber) -> None:
        """Let go of a subscriber."""
        task = asyncio.get_running_loop().create_task(subscriber.close())
        self._parting[task] = subscriber
        task.add_done_callback(self._parting.pop)


def _sees_objects(subscription: Subscription) -> bool:
    """Whether JSON log messages are objects to a subscriber; older schemas and the Logs API have them as text."""
    return subscription.api is Api.TELEMETRY and subscription.schema != SCHEMAS[0]


def encoded_messages(logged: Logged, objects: bool) -> Iterator[bytes]:
    """The events of log messages, encoded.

    Args:
        logged: the messages.
        objects: whether JSON objects stay objects, or become text as all others.
    """
    head = f'{{"time":"{timestamp(logged.epoch)}","type":"{logged.stream}","record":'.encode()
    for message in logged.messages:
        if isinstance(message, str):
            yield b"%b%b}" % (head, _encode(message))
        else:
            found = json_object(message) if objects else None
            yield b"%b%b}" % (head, found if found is not None else _encode(message.decode("utf-8", "replace")))


def json_object(message: bytes) -> bytes | None:
    """A message that is a JSON object, on one line; None for any other, which would spoil the whole batch."""
    try:
        message.decode()
        _object.decode(message)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return message.strip().replace(b"\r", b" ").replace(b"\n", b" ")
