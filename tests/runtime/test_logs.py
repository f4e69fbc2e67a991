"""The log: print, logging, and what logging is set up to be."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runtime.framed import framed_log
from tests.runtime.harness import PYTHON, Event, assert_alike, both, ours, write

LOGGING = """
import logging
logging.info("info at import")
logging.warning("warning at import")
def handler(event, context):
    for level in ("debug", "info", "warning", "error", "critical"):
        getattr(logging.getLogger("a.b"), level)("%s é", level)
    logging.getLogger().log(35, "between")
    try: 1 / 0
    except ZeroDivisionError: logging.exception("caught")
    return [logging.getLogger().level, [hasattr(handler, 'log_sink') for handler in logging.getLogger().handlers]]
"""
SOURCES = {
    "print": """
import sys
print("at import")
def handler(event, context):
    print("a", 1, end="")
    print("é", file=sys.stderr)
""",
    "logging": LOGGING,
    "basic-config-does-nothing": "import logging\nlogging.basicConfig(level=10, format='x')\n" + LOGGING,
    "level-by-code": "import logging\nlogging.getLogger().setLevel(logging.INFO)\n" + LOGGING,
    "formatter": """
import logging
logging.getLogger().handlers[0].setFormatter(logging.Formatter("%(message)s %(tenant_id)s\\n"))
"""
    + LOGGING,
    "handlers-replaced": """
import logging, sys
logging.basicConfig(force=True, stream=sys.stdout, format="%(message)s")
"""
    + LOGGING,
    "late": """
def handler(event, context):
    import logging
    logging.warning("late")
    return type(logging.__spec__.loader).__name__
""",
    "submodule-first": "import logging.handlers\n" + LOGGING,
    "source": """
import inspect, logging
def handler(event, context):
    return len(inspect.getsource(logging)) > 1000
""",
    "logged-then-raised": LOGGING.replace("    return", "    raise ValueError\n   "),
    "writes": """
import sys
def handler(event, context):
    sys.stdout.writelines(["a", "b"])
    sys.stdout.buffer.write(b"c\\n")
    sys.stdout.flush()
""",
    "warnings": """
import warnings, logging
logging.captureWarnings(True)
def handler(event, context):
    warnings.warn("careful")
""",
}


@pytest.mark.parametrize("name", SOURCES)
def test_the_log_is_that_of_aws(tmp_path: Path, name: str) -> None:
    mine, other = both(
        write(tmp_path, app=SOURCES[name]), Event(), Event(headers={"Lambda-Runtime-Aws-Tenant-Id": "t"})
    )
    assert_alike(mine, other)
    assert mine.stderr.splitlines()[:-1] == [line for line in other.stderr.splitlines() if line == "é"]


@pytest.mark.parametrize("level", ["", "debug", "TRACE", "INFO", "WARN", "ERROR", "CRITICAL", "NONSENSE"])
def test_the_level_comes_from_the_environment(tmp_path: Path, level: str) -> None:
    assert_alike(*both(write(tmp_path, app=LOGGING), Event(), env={"AWS_LAMBDA_LOG_LEVEL": level}))


def test_output_is_written_at_once(tmp_path: Path) -> None:
    """A process that is gone without warning has written all that it printed."""
    source = """
import os, sys
print("at import")
def handler(event, context):
    print("out", end="")
    sys.stderr.write("err")
    os._exit(3)
"""
    run = ours(write(tmp_path, app=source), Event())
    assert (run.stdout, run.stderr, run.status) == ("at import\nout", "err", 3)


def test_user_code_may_replace_standard_output(tmp_path: Path) -> None:
    source = """
import contextlib, gc, io, sys
def handler(event, context):
    with contextlib.redirect_stdout(io.StringIO()) as text: print("caught")
    sys.stdout = sys.__stdout__
    gc.collect()
    print("seen")
    return text.getvalue()
"""
    run = ours(write(tmp_path, app=source), Event())
    assert run.only.body == b'"caught\\n"'
    assert run.stdout == "seen\n"


@pytest.mark.parametrize("form", ["Text", "JSON"])
@pytest.mark.parametrize("framed", [False, True])
def test_logging_is_not_imported_for_functions_that_do_not_log(tmp_path: Path, form: str, framed: bool) -> None:
    names = ("logging", "json", "re", "socket", "typing", "traceback")
    source = f"import sys\ndef handler(event, context): return [name for name in {names} if name in sys.modules]"
    env = {"RAPID_PYTHON": str(_bare_python(tmp_path)), "AWS_LAMBDA_LOG_FORMAT": form}
    with framed_log() as (descriptor, _read):
        run = ours(write(tmp_path, app=source), Event(), env=env, descriptor=descriptor if framed else None)
    assert run.only.body == b"[]"


def _bare_python(folder: Path) -> Path:
    """The interpreter without `site`, whose .pth files may import anything."""
    script = folder / "python"
    script.write_text(f'#!/bin/sh\nexec "{PYTHON}" -S "$@"\n')
    script.chmod(0o755)
    return script
