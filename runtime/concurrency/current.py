"""Which invocation it is that logs, where there are several in one process: a context variable.

`_contextvars` is the C module below `contextvars`.
"""

from __future__ import annotations

from _contextvars import ContextVar

from .. import logs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..client import Invocation

_NOBODY: tuple[str | None, str | None] = (None, None)
_ids: ContextVar[tuple[str | None, str | None]] = ContextVar("lambda_invocation", default=_NOBODY)


class ContextCurrent(logs.Current):
    """The invocation of the task or thread that asks, and of what it has started with its context."""

    @property
    def request_id(self) -> str | None:  # type: ignore[override]  # it is only read
        """None where there is no invocation."""
        return _ids.get()[0]

    @property
    def tenant_id(self) -> str | None:  # type: ignore[override]
        """None where there is no invocation, or it has no tenant."""
        return _ids.get()[1]


def take_turns() -> None:
    """From now on each context has a current invocation of its own."""
    logs.current = ContextCurrent()


def enter(invocation: Invocation) -> None:
    """Have it be the current one in this context."""
    _ids.set((invocation.request_id, invocation.tenant_id))
