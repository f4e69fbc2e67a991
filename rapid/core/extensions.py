"""The extensions of one environment: who is registered, under which rules.

Source: AWS developer guide, "Using the Lambda Extensions API to create extensions".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rapid.core.errors import Refused
from rapid.core.machine import ExtensionInput, ExtensionState, move_extension
from rapid.core.records import ExtensionStatus

MAX_EXTENSIONS = 10
"""Extensions that one environment may have (AWS: "You can register up to 10 extensions for a function")."""

INVOKE = "INVOKE"
SHUTDOWN = "SHUTDOWN"


class Extension:
    """One extension.

    Attributes:
        name: file name of an external extension; any other name is an internal one's.
        external: it is a process of its own.
        identifier: what it was told at registration; empty before.
        events: what it registered for.
        state: where it stands.
        error_type: what it reported, or how it ended, if that was in error.
    """

    __slots__ = ("error_type", "events", "external", "identifier", "name", "state")

    def __init__(self, name: str, external: bool) -> None:
        self.name = name
        self.external = external
        self.identifier = ""
        self.events: tuple[str, ...] = ()
        self.state = ExtensionState.STARTED
        self.error_type: str | None = None

    def move(self, given: ExtensionInput) -> ExtensionState:
        """Move, and tell the state before. A refusal names it as the call did: register by name, others by identifier.

        Raises:
            Refused: 403 `Extension.InvalidExtensionState`; nothing has changed.
        """
        before = self.state
        who = self.name if given is ExtensionInput.REGISTER else self.identifier or self.name
        self.state = move_extension(before, given, who)
        return before

    def wants(self, event: str) -> bool:
        """Whether it registered for `event`."""
        return event in self.events

    def status(self) -> ExtensionStatus:
        """The record of its present state."""
        return ExtensionStatus(self.name, self.state.value, self.events, self.error_type)


class Extensions:
    """All extensions of an environment, external ones first, in the order of their start.

    Args:
        external: names of the external extensions that are started.
        told_of_invocations: whether they may register for INVOKE: not where several invocations run at once.
    """

    def __init__(self, external: Sequence[str] = (), *, told_of_invocations: bool = True) -> None:
        self._told_of_invocations = told_of_invocations
        self._all = {name: Extension(name, external=True) for name in external}
        self._identified: dict[str, Extension] = {}

    def __iter__(self) -> Iterator[Extension]:
        return iter(self._all.values())

    def __len__(self) -> int:
        return len(self._all)

    def named(self, name: str) -> Extension:
        """The extension of a name."""
        return self._all[name]

    @property
    def expected(self) -> bool:
        """Whether an external extension has yet to register: the runtime waits for it."""
        return any(extension.state is ExtensionState.STARTED for extension in self)

    @property
    def registered(self) -> list[Extension]:
        """Those that have registered, whatever became of them."""
        return list(self._identified.values())

    def register(self, name: str, events: Sequence[str], identifier: str, *, closed: bool) -> Extension:
        """Register an extension.

        Args:
            name: the name that it gives.
            events: what it asks for, unchecked.
            identifier: the UUID that it will be known by.
            closed: registration is over.

        Raises:
            Refused: 403, and nothing has changed.
        """
        known = self._all.get(name)
        external = known is not None and known.external
        for event in events:
            self._check_event(event, external)
        if closed:
            raise Refused(403, "Extension.RegistrationClosed", "Extension registration closed already")
        if known is not None and not external:
            raise Refused(403, "Extension.InvalidExtensionState", "Extension with this name already registered")
        if known is None and len(self._all) >= MAX_EXTENSIONS:
            raise too_many()
        extension = known or Extension(name, external=False)
        extension.move(ExtensionInput.REGISTER)
        extension.identifier = identifier
        extension.events = tuple(dict.fromkeys(events))
        self._all[name] = self._identified[identifier] = extension
        return extension

    def _check_event(self, event: str, external: bool) -> None:
        if not self._told_of_invocations and not external:
            raise _bad_event("No events allowed for internal extensions")
        if event not in ((INVOKE, SHUTDOWN) if self._told_of_invocations else (SHUTDOWN,)):
            raise _bad_event(f"{event}: ErrorInvalidEventType")
        if event == SHUTDOWN and not external:
            raise _bad_event("SHUTDOWN: ShutdownEventNotSupportedForInternalExtension")

    def find(self, identifier: str) -> Extension:
        """The extension of an identifier.

        Raises:
            Refused: 403 `Extension.UnknownExtensionIdentifier`.
        """
        try:
            return self._identified[identifier]
        except KeyError:
            raise Refused(403, "Extension.UnknownExtensionIdentifier", f"Unknown extension {identifier}") from None


def too_many() -> Refused:
    """The limit is reached."""
    return Refused(403, "Extension.TooManyExtensions", f"Extension limit ({MAX_EXTENSIONS}) reached")


def _bad_event(message: str) -> Refused:
    return Refused(403, "Extension.InvalidEventType", message)
