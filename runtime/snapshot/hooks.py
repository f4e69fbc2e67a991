"""The function's hooks, registered with `snapshot_restore_py`, which is the function's own package.

https://docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks-python.html
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Hook = tuple[Callable[..., object], tuple[object, ...], dict[str, object]]


def run_before_snapshot() -> None:
    """Run the hooks, the last registered first; raises what one of them raises."""
    hooks = _registered("get_before_snapshot")
    while hooks:  # one of them may register another
        _run(hooks.pop())


def run_after_restore() -> None:
    """Run the hooks, the first registered first; raises what one of them raises."""
    for hook in _registered("get_after_restore"):
        _run(hook)


def _registered(kind: str) -> list[Hook]:
    """The package's own list. If nobody has imported it, nobody has registered anything."""
    package: Any = sys.modules.get("snapshot_restore_py")
    get: Callable[[], list[Hook]] | None = getattr(package, kind, None)
    return [] if get is None else get()


def _run(hook: Hook) -> None:
    function, arguments, named = hook
    result: Any = function(*arguments, **named)
    if hasattr(type(result), "__await__"):
        from ..event_loop import event_loop

        event_loop.run(result)
