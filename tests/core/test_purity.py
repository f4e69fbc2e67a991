"""The core does no I/O: it does not even load what could."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import rapid.core

FORBIDDEN = {"asyncio", "socket", "subprocess", "threading", "time", "starlette", "uvicorn", "httpx", "random"}
CORE = Path(rapid.core.__file__).parent


def test_importing_the_core_loads_nothing_that_does_io() -> None:
    modules = [f"rapid.core.{path.stem}" for path in CORE.glob("*.py") if path.stem != "__init__"]
    script = f"import sys; before = set(sys.modules); import {', '.join(modules)}; import json; " + (
        "print(json.dumps(sorted({n.split('.')[0] for n in set(sys.modules) - before})))"
    )
    loaded = set(json.loads(subprocess.check_output([sys.executable, "-I", "-S", "-c", _with_path(script)])))
    assert "rapid" in loaded
    assert not loaded & FORBIDDEN


def _with_path(script: str) -> str:
    return f"import sys; sys.path.insert(0, {str(CORE.parents[1])!r}); {script}"
