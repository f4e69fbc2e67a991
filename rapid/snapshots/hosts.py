"""Where a template comes from, and who looks after its process."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from typing import Protocol

from rapid.core.phase import Phase
from rapid.snapshots.template import Description, NobodyListens, TemplateClient, TemplateError


class Unsupported(Exception):
    """The runtime is none that can be a template; the text is a sentence for the user."""


class TemplateEnvironment(Protocol):
    """The environment of a template: an ordinary one, with a listener of its own, that is asked to stay uninvoked.

    Attributes:
        environ: the variables that its runtime is given.
        cwd: where its runtime works.
    """

    environ: Mapping[str, str]
    cwd: str

    @property
    def phase(self) -> Phase:
        """The present phase."""

    def start(self) -> None:
        """Begin the init phase."""

    async def stop(self) -> None:
        """End its processes, and stop its listener."""


class EnvironmentFactory(Protocol):
    """Makes the environment of a template."""

    async def open_template(self, path: str, on_change: Callable[[], None]) -> TemplateEnvironment:
        """Make one; nothing of it is started.

        Args:
            path: where the template is to listen, `RAPID_TEMPLATE_SOCKET` for its runtime. Initialization type is
                `snap-start`; there are no external extensions.
            on_change: to be called after each change of its phase.

        Raises:
            OSError: it cannot be made now.
        """


class Host(Protocol):
    """A template and its process."""

    @property
    def environ(self) -> Mapping[str, str]:
        """The variables that it was started with."""

    @property
    def client(self) -> TemplateClient:
        """Asks it."""

    @property
    def alive(self) -> bool:
        """Whether it is a template now."""

    async def start(self, gone: Callable[[], None]) -> Description:
        """Return when it is a template, with what it tells of itself; `gone` is called once when it is none any more.

        Raises:
            TemplateError: it has become none; another attempt may succeed.
            Unsupported: it is none, and never will be.
            OSError: it cannot be made now.
        """

    async def stop(self) -> None:
        """End it."""


class InitialisedHost:
    """A template that is initialised here: an environment that stays at the snapshot point.

    Attributes:
        path: where the template listens, once it does: in a folder that nobody else can look into.

    Args:
        factory: makes the environment.
    """

    def __init__(self, factory: EnvironmentFactory) -> None:
        self.environ: Mapping[str, str] = {}
        self.path = ""
        self._factory = factory
        self._environment: TemplateEnvironment | None = None
        self._changed = asyncio.Event()
        self._gone: Callable[[], None] | None = None

    @property
    def client(self) -> TemplateClient:
        """See `Host`."""
        return TemplateClient(self.path)

    @property
    def alive(self) -> bool:
        """See `Host.alive`."""
        return self._environment is not None and self._environment.phase is Phase.SNAPSHOT

    async def start(self, gone: Callable[[], None]) -> Description:
        """See `Host.start`. There is no limit but the init's own, which the core knows."""
        self.path = os.path.join(tempfile.mkdtemp(prefix="rapid-template-"), "socket")
        self._environment = environment = await self._factory.open_template(self.path, self._on_change)
        self.environ = environment.environ
        environment.start()
        while environment.phase is Phase.INIT:
            self._changed.clear()
            await self._changed.wait()
        if environment.phase is Phase.IDLE:
            raise Unsupported("the runtime does not stop at the snapshot point (restore/next)")
        if environment.phase is not Phase.SNAPSHOT:
            raise TemplateError("its init has failed")
        try:
            description = await self.client.describe()
        except NobodyListens as error:
            if os.path.exists(self.path):  # noqa: ASYNC240 - it has listened there
                raise TemplateError(f"it has left after its init: {error}") from None
            raise Unsupported("the runtime offers no template, only the protocol of SnapStart") from None
        self._gone = gone
        return description

    async def stop(self) -> None:
        """See `Host.stop`."""
        self._gone = None
        environment, self._environment = self._environment, None
        if environment:
            await environment.stop()
        if self.path:
            shutil.rmtree(os.path.dirname(self.path), ignore_errors=True)

    def _on_change(self) -> None:
        self._changed.set()
        if self._gone and not self.alive:
            gone, self._gone = self._gone, None
            gone()
