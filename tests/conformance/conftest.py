"""One rapid for all transcripts of a worker that leave it as they found it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.conformance import servers


class Shared:
    """Running servers by their environment variables."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[object, tuple[servers.Server, AbstractContextManager[servers.Server]]] = {}

    def get(self, env: Mapping[str, str]) -> servers.Server:
        """The server with these variables, started if there is none."""
        key = tuple(sorted(env.items()))
        if key not in self._running:
            starting = servers.rapid(Path(tempfile.mkdtemp(dir=self._folder)), env, (), ())
            self._running[key] = starting.__enter__(), starting
        return self._running[key][0]

    def drop(self, env: Mapping[str, str]) -> None:
        """End it, if it came to be: it is not as it was found."""
        key = tuple(sorted(env.items()))
        if key in self._running:
            self._running.pop(key)[1].__exit__(None, None, None)

    def close(self) -> None:
        """End all."""
        while self._running:
            self._running.popitem()[1][1].__exit__(None, None, None)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """The servers of this worker."""
    servers_by_env = Shared(tmp_path_factory.mktemp("shared"))
    yield servers_by_env
    servers_by_env.close()
