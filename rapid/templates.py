"""The environments of templates, as a server has them: real processes and a listener of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rapid.api.environment import EnvironmentApi
from rapid.composition import Identity, compose_environment
from rapid.core.effects import RUNTIME_PARTY
from rapid.core.initialisation import InitializationType
from rapid.core.phase import Phase
from rapid.environments.environment import Environment
from rapid.environments.launcher import ProcessLauncher
from rapid.environments.process import Command
from rapid.environs import own_credentials, runtime_environ
from rapid.factory import ANY_PORT, Host, output_of
from rapid.server import RUNTIME_KEEP_ALIVE, Listener, bound, listen

NUMBER = 0
"""Of a template's environment, which is none of those that take invocations."""


class ListeningTemplate:
    """A `TemplateEnvironment`.

    Attributes:
        environ: the variables that its runtime is given.
        cwd: where its runtime works.

    Args:
        environ: see above.
        cwd: see above.
        environment: it.
        listener: its Runtime API.
        forget: what else has to be done at its end.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        cwd: str,
        environment: Environment,
        listener: Listener,
        forget: Callable[[], None],
    ) -> None:
        self.environ = environ
        self.cwd = cwd
        self._environment = environment
        self._listener = listener
        self._forget = forget

    @property
    def phase(self) -> Phase:
        """See `TemplateEnvironment.phase`."""
        return self._environment.phase

    def start(self) -> None:
        """See `TemplateEnvironment.start`."""
        self._environment.start()

    async def stop(self) -> None:
        """See `TemplateEnvironment.stop`."""
        await self._environment.stop()
        await self._listener.stop()
        self._forget()


class Templates:
    """The `EnvironmentFactory` of templates (`rapid.snapshots.hosts`).

    Args:
        host: what all environments of the server share.
        own_ports: where the server listens; each template adds its own.
    """

    def __init__(self, host: Host, own_ports: set[int]) -> None:
        self._host = host
        self._own_ports = own_ports
        self._orphans = host.orphans
        self._count = 0

    def environ(self, api: str) -> dict[str, str]:
        """The variables of a template whose Runtime API is at `api`."""
        host = self._host
        return runtime_environ(host.settings, host.command, host.environ, api, self._identity())

    async def open_template(self, path: str, on_change: Callable[[], None]) -> ListeningTemplate:
        """See `EnvironmentFactory.open_template`."""
        host, sock = self._host, listen(ANY_PORT)
        address, port = bound(sock), sock.getsockname()[1]
        self._count += 1
        command = Command(
            host.command.words, host.command.cwd, {**self.environ(address), "RAPID_TEMPLATE_SOCKET": path}
        )
        environment, api = self._compose(command, address, on_change)
        self._own_ports.add(port)
        self._orphans.expect(address)
        listener = Listener(api, sock, RUNTIME_KEEP_ALIVE)
        await listener.start()

        def forget() -> None:
            self._own_ports.discard(port)
            self._orphans.forget(address)

        return ListeningTemplate(command.environ, command.cwd, environment, listener, forget)

    def _compose(
        self, command: Command, address: str, on_change: Callable[[], None]
    ) -> tuple[Environment, EnvironmentApi]:
        host, settings = self._host, self._host.settings
        name, limit = f"template-{self._count}", settings.memory_mb * 1024
        return compose_environment(
            settings,
            self._identity(),
            [],
            ProcessLauncher({RUNTIME_PARTY: command}, host.reaper, lambda: self._orphans.end(address)),
            host.accounts(name, limit, lambda: self._orphans.of(address)),
            output_of(host, "template"),
            on_change,
            self._own_ports,
            host.observer,
        )

    def _identity(self) -> Identity:
        settings = self._host.settings
        credentials = own_credentials(self._host.environ)
        return Identity(NUMBER, settings.log_stream_of(NUMBER), InitializationType.SNAP_START, credentials)
