"""How many invocations at once, and how: from the environment."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_CONCURRENCY = "AWS_LAMBDA_MAX_CONCURRENCY"
HOW = "RAPID_CONCURRENCY"
PROCESSES, THREADS, TASKS = "processes", "threads", "tasks"
_MOST = 10_000


def count_of(environ: Mapping[str, str]) -> int:
    """Invocations at once; raises ValueError with a sentence."""
    text = environ[MAX_CONCURRENCY]
    try:
        count = int(text)
    except ValueError:
        count = 0
    if not 1 <= count <= _MOST:
        raise ValueError(f"{MAX_CONCURRENCY} is '{text}': a whole number from 1 to {_MOST} is expected")
    return count


def way_of(environ: Mapping[str, str]) -> str:
    """How they are kept apart: one of the three constants, or "" for what suits the handler; raises ValueError."""
    way = environ.get(HOW, "")
    if way not in ("", PROCESSES, THREADS, TASKS):
        raise ValueError(f"{HOW} is '{way}': {PROCESSES}, {THREADS} or {TASKS} is expected")
    return way


def has_threads(environ: Mapping[str, str]) -> bool:
    """Whether functions that are no coroutines are called on several threads at once."""
    return MAX_CONCURRENCY in environ and environ.get(HOW) == THREADS
