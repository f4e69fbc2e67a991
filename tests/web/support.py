"""Applications under the real rapid: what an HTTP client sees of their responses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.runtime.harness import write
from tests.support.program import Program, running
from tests.web.events import Event, received

Seen = tuple[int, dict[str, str], bytes]


@contextmanager
def serving(task: Path, source: str, name: str = "app:app", **env: str) -> Iterator[Program]:
    """The application in `source` under rapid; its log is the program's output."""
    write(task, app=source)
    with running(name, task, **env) as program:
        yield program


def ask(program: Program, event: Event) -> Seen:
    """Invoke with an event; status, headers and body as a client sees them."""
    reply = program.invoke(event)
    result = reply.json
    if "statusCode" not in result:
        pytest.fail(f"no response: {result}", pytrace=False)
    status, headers, body = received(result)
    return status, dict(headers), body
