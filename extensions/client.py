"""An extension: registered, told of events, subscribed to telemetry, gone when it should go.

Source: AWS developer guide, "Using the Lambda Extensions API to create extensions" (2020-01-01) and "Lambda Telemetry
API reference" (2022-07-01).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Generator, Mapping, Sequence
from types import TracebackType
from typing import Any

import httpx

from .events import Event, ExtensionsApiError
from .listener import SANDBOX, Listener
from .telemetry import Buffering, OnBatch, Receiver

EXTENSIONS_API = "/2020-01-01/extension"
TELEMETRY_API = "/2022-07-01/telemetry"
IDENTIFIER = "Lambda-Extension-Identifier"
CALL_SECONDS = 10.0
"""What a call may take; waiting for an event has no limit, for an environment may rest for hours."""

SIGTERM_SECONDS = 0.5
"""What is taken as left after a SIGTERM, which names no deadline: the least that AWS gives anyone who gets one."""

ON_THE_WAY_SECONDS = 0.2
"""What a batch may be late by, over the time that the server buffers it."""


class Extension:
    """A registered extension; a context manager that closes what it has opened.

    Attributes:
        identifier: what the API knows it by.
        function_name: the function beside it.
        function_version: the function's version.
        handler: the function's handler.
        account_id: the function's account, where the server tells it.
    """

    def __init__(self, client: httpx.AsyncClient, identifier: str, function: Mapping[str, str]) -> None:
        self._client = client
        self._listener: Listener | None = None
        self._receiver: Receiver | None = None
        self._quiet_seconds = 0.0
        self._sigterm = asyncio.Event()
        self._catching = False
        self.identifier = identifier
        self.function_name = function.get("functionName", "")
        self.function_version = function.get("functionVersion", "")
        self.handler = function.get("handler", "")
        self.account_id = function.get("accountId")

    @classmethod
    def register(
        cls,
        name: str | None = None,
        events: Sequence[str] = ("INVOKE", "SHUTDOWN"),
        *,
        address: str | None = None,
    ) -> Registration:
        """Register with the environment: `async with Extension.register() as extension`, or await it.

        Args:
            name: must be the file name of an external extension's program, which is the default.
            events: any of `INVOKE` and `SHUTDOWN`; an internal extension may not ask for `SHUTDOWN`. One that does not
                ask for `INVOKE` holds no invocation up.
            address: host:port of the API, `AWS_LAMBDA_RUNTIME_API` by default.

        Raises:
            ExtensionsApiError: the API refused.
            httpx.TransportError: the API cannot be reached.
            KeyError: no address, and `AWS_LAMBDA_RUNTIME_API` is not set.
        """
        return Registration(name or os.path.basename(sys.argv[0]), events, address)

    async def __aenter__(self) -> Extension:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection and the listener; SIGTERM means again what it meant."""
        if self._catching:
            asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
            self._catching = False
        await self._unsubscribe()
        await self._client.aclose()

    async def next(self) -> Event:
        """Wait for the next event; asking for it tells that the extension is done with the last one.

        Raises:
            ExtensionsApiError: the API refused.
            httpx.TransportError: the API is gone.
        """
        path, headers = f"{EXTENSIONS_API}/event/next", {IDENTIFIER: self.identifier}
        return Event.parse(_checked(await self._client.get(path, headers=headers, timeout=None)).json())

    async def events(self, *, sigterm: bool = True, reserve: float = 0.5) -> AsyncIterator[Event]:
        """Every event, SHUTDOWN the last. When it has been handled, telemetry still to come is taken in.

        After SHUTDOWN the last telemetry is on its way: the report of the last invocation, and what is buffered. The
        iteration ends when no more of it comes, or at the deadline less the reserve. Code after the loop has it all.

        Args:
            sigterm: take SIGTERM as a SHUTDOWN, too (only in the main thread; not for an internal extension, whose
                process is the function's).
            reserve: seconds to leave before the deadline for the code after the loop.

        Raises:
            ExtensionsApiError: the API refused.
            httpx.TransportError: the API is gone.
            Exception: what `on_batch` of a subscription raised.
        """
        if sigterm:
            self._catch_sigterm()
        while True:
            event = await self._next_or_stop()
            yield event
            if event.type == "SHUTDOWN":
                left = event.deadline_ms / 1000 - time.time() - reserve
                if self._receiver is not None:
                    await self._receiver.quiet(self._quiet_seconds, time.monotonic() + left)
                return

    async def runtime_done(self, event: Event) -> bool:
        """Wait until telemetry says that the runtime is done with an invocation, and all telemetry before has come.

        The environment is frozen once the runtime and all extensions have asked for their next event, so an extension
        that sends things on does that between this and its next event.

        Returns:
            False if the invocation's deadline or a SIGTERM came first, or there is no subscription that would tell.
        """
        if self._receiver is None or event.request_id is None:
            return False
        done = asyncio.ensure_future(self._receiver.runtime_done(event.request_id))
        sigterm = asyncio.ensure_future(self._sigterm.wait())
        try:
            left = max(0.0, event.deadline_ms / 1000 - time.time())
            first: set[asyncio.Future[Any]] = {done, sigterm, self._receiver.failure}
            await asyncio.wait(first, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            return done.done()
        finally:
            done.cancel()
            sigterm.cancel()

    async def subscribe(
        self,
        types: Sequence[str],
        on_batch: OnBatch,
        *,
        buffering: Buffering | None = None,
        schema_version: str = "2025-01-29",
        port: int = 0,
    ) -> bool:
        """Have telemetry sent to `on_batch`; must be called before the first event is asked for.

        Batches come one at a time and in order, as `list[TelemetryEvent]`, the events of the init so far first. When
        `on_batch` raises, the batch is answered with 500, and `events()` ends with that exception.

        An extension that is subscribed to `extension` gets what any extension prints, itself included: one line printed
        per batch comes back as a batch, for ever.

        Args:
            types: any of `platform`, `function` and `extension`.
            on_batch: takes a batch; the server waits for it, so it should be quick.
            buffering: when the server sends; a second by default.
            schema_version: `2022-07-01`, `2022-12-13` or `2025-01-29`.
            port: where to listen; any free port by default.

        Returns:
            False if the server has no telemetry to offer: AWS's local emulator says so with 202.

        Raises:
            ExtensionsApiError: the API refused.
            httpx.TransportError: the API is gone.
            OSError: the port is taken.
        """
        await self._unsubscribe()
        chosen = buffering or Buffering()
        receiver = Receiver(on_batch)
        self._listener = Listener(receiver.take)  # listens first: AWS may deliver before it answers
        listening = await self._listener.start(port)
        document = {
            "schemaVersion": schema_version,
            "types": list(types),
            "buffering": chosen.document(),
            "destination": {"protocol": "HTTP", "URI": f"http://{SANDBOX}:{listening}/"},
        }
        response = await self._client.put(TELEMETRY_API, headers={IDENTIFIER: self.identifier}, json=document)
        if response.status_code in (202, 404):
            await self._unsubscribe()
            return False
        _checked(response)
        self._receiver = receiver
        self._quiet_seconds = chosen.timeout_ms / 1000 + ON_THE_WAY_SECONDS
        return True

    async def init_error(self, error_type: str, message: str) -> None:
        """Report that the extension cannot start; it should exit then. Types have the form `Extension.Reason`."""
        await self._report("/init/error", error_type, message)

    async def exit_error(self, error_type: str, message: str) -> None:
        """Report that the extension cannot go on; it should exit then. Types have the form `Extension.Reason`."""
        await self._report("/exit/error", error_type, message)

    async def _report(self, path: str, error_type: str, message: str) -> None:
        headers = {IDENTIFIER: self.identifier, "Lambda-Extension-Function-Error-Type": error_type}
        body = {"errorMessage": message, "errorType": error_type, "stackTrace": []}
        _checked(await self._client.post(EXTENSIONS_API + path, headers=headers, json=body))

    async def _unsubscribe(self) -> None:
        listener, self._listener, self._receiver = self._listener, None, None
        if listener is not None:
            await listener.close()

    def _catch_sigterm(self) -> None:
        with contextlib.suppress(ValueError, RuntimeError):  # not the main thread
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._sigterm.set)
            self._catching = True

    async def _next_or_stop(self) -> Event:
        """The next event, unless SIGTERM or a failure of the subscription comes first."""
        asking = asyncio.ensure_future(self.next())
        sigterm = asyncio.ensure_future(self._sigterm.wait())
        first: set[asyncio.Future[Any]] = {asking, sigterm}
        if self._receiver is not None:
            first.add(self._receiver.failure)
        try:
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            if self._receiver is not None and self._receiver.failure.done():
                self._receiver.failure.result()
            if asking.done():
                return asking.result()
            deadline = int((time.time() + SIGTERM_SECONDS) * 1000)
            return Event("SHUTDOWN", deadline, shutdown_reason="SIGTERM")
        finally:
            asking.cancel()
            sigterm.cancel()


class Registration:
    """A registration that has not begun: a context manager that gives the extension, or to be awaited."""

    def __init__(self, name: str, events: Sequence[str], address: str | None) -> None:
        self._name = name
        self._events = events
        self._address = address

    def __await__(self) -> Generator[Any, None, Extension]:
        return self._register().__await__()

    async def __aenter__(self) -> Extension:
        self._extension = await self._register()
        return self._extension

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._extension.close()

    async def _register(self) -> Extension:
        client = httpx.AsyncClient(
            base_url=f"http://{self._address or os.environ['AWS_LAMBDA_RUNTIME_API']}",
            timeout=CALL_SECONDS,
            trust_env=False,  # the API is on this host, whatever proxy the function is told to use
        )
        headers = {"Lambda-Extension-Name": self._name, "Lambda-Extension-Accept-Feature": "accountId"}
        try:
            response = await client.post(
                f"{EXTENSIONS_API}/register", headers=headers, json={"events": list(self._events)}
            )
            return Extension(client, _checked(response).headers[IDENTIFIER], response.json())
        except BaseException:
            await client.aclose()
            raise


def _checked(response: httpx.Response) -> httpx.Response:
    if not response.is_success:
        raise ExtensionsApiError(response)
    return response
