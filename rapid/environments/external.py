"""Which external extensions an environment has.

Source: AWS developer guide, "Lambda Extensions API": programs in `/opt/extensions`. Every file directly in the folder
is started, whatever its mode: one that cannot be executed is a launch error.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

DISABLED = Path("/opt/disable-extensions-jwigqn8j")
"""AWS's server serves no extensions when this file exists."""


def external_extensions(folder: str, shipped: Sequence[str]) -> Mapping[str, Sequence[str]]:
    """Name → command, in the order of their start: by name.

    Args:
        folder: where they are looked for; it need not exist.
        shipped: names of rapid's own to add; a file of that name in the folder stands in its place.
    """
    found = {name: _shipped(name) for name in shipped}
    path = Path(folder)
    if path.is_dir():
        found |= {entry.name: [str(entry)] for entry in path.iterdir() if not entry.is_dir()}
    return dict(sorted(found.items()))


def _shipped(name: str) -> list[str]:
    """One of rapid's own extensions: a script beside the interpreter, run apart from the function's packages (`-I`)."""
    program = f"rapid-{name}"
    beside = Path(sys.executable).with_name(program)
    return [sys.executable, "-I", str(beside) if beside.exists() else shutil.which(program) or program]
