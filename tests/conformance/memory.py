"""rapid's HTTP faces in memory: the applications as the command composes them, over processes that do nothing."""

from __future__ import annotations

import asyncio
import os
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from urllib.parse import unquote

from starlette.types import ASGIApp, Message, Scope

from rapid.composition import Identity, compose, compose_environment
from rapid.core.effects import Party
from rapid.environments.environment import Environment
from rapid.environments.member import Opened
from rapid.environments.process import LaunchError
from rapid.environments.reaper import Exit
from rapid.environments.sink import OutputSink
from rapid.settings import Settings, load
from rapid.telemetry.console import Console
from tests.conformance.player import Request
from tests.support.program import Reply

TERMINATED, KILLED = -15, -9


class Idler:
    """A process that does nothing, until it is told to leave."""

    pid = 0

    def __init__(self, on_exit: Callable[[Exit], None]) -> None:
        self.alive = True
        self._on_exit = on_exit

    def leave(self, status: int) -> None:
        if self.alive:
            self.alive = False
            asyncio.get_running_loop().call_soon(self._on_exit, Exit(status, 0))

    def terminate(self) -> None:
        self.leave(TERMINATED)

    def kill(self) -> None:
        self.leave(KILLED)

    def drain(self) -> None:
        pass

    def close(self) -> None:
        pass


class Unmeasured:
    """The memory of processes that have none."""

    def add(self, pid: int) -> None:
        pass

    def exited(self, pid: int, peak_kib: int) -> None:
        pass

    def sample(self) -> float:
        return 0.0

    def peak_kib(self) -> int:
        return 0

    def out_of_memory(self) -> bool:
        return False

    def reset(self) -> None:
        pass

    def close(self) -> None:
        pass


class Memory:
    """The applications, and the processes that they have started."""

    name = "memory"

    def __init__(self, settings: Settings, nowhere: int, extensions: Sequence[str], broken: Sequence[str]) -> None:
        self._settings = settings
        self._nowhere = nowhere
        self.apps: dict[str, ASGIApp] = {}
        self.external = sorted((*extensions, *broken))
        self._broken = broken
        self.environment: Environment | None = None
        self._processes: dict[str, list[Idler]] = defaultdict(list)
        self._stopping: list[asyncio.Task[None]] = []

    def start(self, party: Party, _: OutputSink, on_exit: Callable[[Exit], None]) -> Idler:
        """Start a process."""
        if party.extension in self._broken:
            raise LaunchError("permission denied")
        process = Idler(on_exit)
        self._processes[f"extension {party.extension}" if party.extension else "runtime"].append(process)
        return process

    def clear(self) -> None:
        """They leave nothing behind."""

    async def open(self, number: int, *, provisioned: bool, on_change: Callable[[], None]) -> Opened:
        """Make the environment; its application listens nowhere."""
        nowhere = Console(self._nowhere)
        self.environment, self.apps["api"] = compose_environment(
            self._settings,
            Identity(number, "stream", self._settings.initialization_type),
            self.external,
            self,
            Unmeasured(),
            nowhere,
            on_change,
        )
        return Opened(self.environment, self._closed)

    async def _closed(self) -> None:
        """There is nothing to close."""

    async def stop(self) -> None:
        """Begin to go down."""
        assert self.environment is not None
        self._stopping.append(asyncio.ensure_future(self.environment.stop()))

    async def close(self) -> None:
        """End what is left."""
        await self.stop()
        for processes in self._processes.values():
            processes[-1].kill()
        await asyncio.gather(*self._stopping)

    def started(self, party: str) -> int:
        """How many times it has been started."""
        return len(self._processes[party])

    def alive(self, party: str, start: int) -> bool:
        """Whether the one of that start, from 1, still runs."""
        return self._processes[party][start - 1].alive

    async def exit(self, party: str, status: int) -> None:
        """Have it leave."""
        self._processes[party][-1].leave(status)

    async def send(self, listener: str, request: Request) -> Reply | None:
        """Call `invoke` or `api`."""
        return await _call(self.apps[listener], request)

    async def settle(self, listener: str) -> None:
        """Let everybody do what they can do now."""
        for _ in range(20):
            await asyncio.sleep(0)


async def _call(app: ASGIApp, request: Request) -> Reply | None:
    """One request; its client hangs up behind a body that was cut, and else stays to the end."""
    headers = [(name.lower().encode(), value.encode()) for name, value in request.headers]
    body = request.body or b""
    if request.trailers:
        headers.append((b"trailer", ", ".join(request.trailers).encode()))
    if not request.chunked and (request.body is not None or request.method != "GET"):
        headers.append((b"content-length", str(len(body) + request.cut).encode()))
    sent: list[Message] = []
    pieces = _messages(body, request.chunked, bool(request.cut))

    async def receive() -> Message:
        if not pieces and not request.cut:
            await asyncio.Event().wait()
        message = pieces.pop(0) if pieces else {"type": "http.disconnect"}
        if not message.get("more_body", False):  # trailers arrive in the list of the headers, behind the body
            headers.extend((name.lower().encode(), value.encode()) for name, value in request.trailers.items())
        return message

    async def send(message: Message) -> None:
        sent.append(message)

    path, _, query = request.path.partition("?")
    scope: Scope = {
        "type": "http",
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "server": ("localhost", 80),
        "root_path": "",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": headers,
    }
    await app(scope, receive, send)
    if request.cut:
        return None
    answered = {name.decode(): value.decode("latin-1") for name, value in sent[0]["headers"]}
    return Reply(sent[0]["status"], answered, b"".join(message.get("body", b"") for message in sent[1:]))


def _messages(body: bytes, chunked: bool, cut: bool) -> list[Message]:
    step = max(1, -(-len(body) // 3)) if chunked else max(1, len(body))
    pieces = re.findall(rb"(?s).{1,%d}" % step, body) or [b""]
    messages: list[Message] = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages[-1]["more_body"] = cut
    return messages


@asynccontextmanager
async def memory(env: Mapping[str, str], extensions: tuple[str, ...], broken: tuple[str, ...]) -> AsyncIterator[Memory]:
    """A fresh rapid."""
    settings = load("rapid", {}, {"AWS_LAMBDA_FUNCTION_TIMEOUT": "30", **env})
    nowhere = os.open(os.devnull, os.O_WRONLY)
    target = Memory(settings, nowhere, extensions, broken)
    server = compose(settings, target, 1)
    target.apps["invoke"] = server.front_end
    server.pool.begin()
    await target.settle("api")
    try:
        yield target
    finally:
        server.scheduler.give_up()
        await target.close()
        os.close(nowhere)
