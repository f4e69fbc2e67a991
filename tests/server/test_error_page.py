"""Errors on a terminal, through the real command on a real pseudo-terminal; and none where there is no terminal."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.runtime.harness import write
from tests.support.program import ANY_PORT, PATIENCE, Reply, call, environ, running, until

SOURCE = """
import os, sys, time


def handler(event, context):
    if event == "exit":
        os._exit(3)
    if event == "sleep":
        time.sleep(60)
    return {}[event["key"]]
"""


class Seen:
    """A running `rapid` with a terminal: what the terminal and, if they are elsewhere, its other streams show."""

    def __init__(self, process: subprocess.Popen[bytes], terminal: int) -> None:
        self.process = process
        self._terminal = terminal
        self._bytes = bytearray()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.address = self.said(r"invoke at http://(\S+),")[1]

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # EIO: nobody has the other end any more
            while data := os.read(self._terminal, 65536):
                self._bytes += data

    @property
    def text(self) -> str:
        return self._bytes.decode("utf-8", "replace").replace("\r\n", "\n")

    def said(self, pattern: str) -> re.Match[str]:
        return until(lambda: re.search(pattern, self.text, re.MULTILINE), f"{pattern!r} on the terminal")

    def invoke(self, event: object) -> Reply:
        body = json.dumps(event).encode()
        return call(self.address, "POST", "/2015-03-31/functions/function/invocations", body)


@contextlib.contextmanager
def on_a_terminal(
    task: Path, *words: str, streams: Sequence[int] = (1, 2), source: str = SOURCE, **env: str
) -> Iterator[Seen]:
    """`streams`: which of standard output and error are the terminal; the others go to the file `other`."""
    write(task, app=source)
    ours, theirs = pty.openpty()
    with (task / "other").open("wb") as other:
        process = subprocess.Popen(
            [sys.executable, "-m", "rapid", *ANY_PORT, *(words or ("app.handler",))],
            cwd=task,
            env=environ(**{"TERM": "xterm", **env}),
            stdin=theirs,
            stdout=theirs if 1 in streams else other,
            stderr=theirs if 2 in streams else other,
        )
    os.close(theirs)
    try:
        yield Seen(process, ours)
    finally:
        process.terminate()
        process.wait(PATIENCE)
        os.close(ours)


def test_an_error_is_shown_with_its_place_and_its_event(tmp_path: Path) -> None:
    with on_a_terminal(tmp_path, NO_COLOR="1") as seen:
        seen.invoke({"key": "größe"})
        seen.said(r"^REPORT")
        assert (
            """\

'größe'

app.py, line 10, in handler
     7 │         os._exit(3)
     8 │     if event == "sleep":
     9 │         time.sleep(60)
  > 10 │     return {}[event["key"]]

event
  {
    "key": "größe"
  }

request """
            in seen.text
        )
        assert "\x1b" not in seen.text
        assert "[ERROR] KeyError: 'größe'\nTraceback (most recent call last):\n" in seen.text
        # Behind what the function has written, before the platform ends the invocation.
        order = [seen.text.index(word) for word in ("[ERROR]", "── KeyError ──", "END RequestId")]
        assert order == sorted(order)


def test_it_is_no_part_of_the_log_that_callers_are_given(tmp_path: Path) -> None:
    with on_a_terminal(tmp_path) as seen:
        body = b'{"key": "secret"}'
        path = "/2015-03-31/functions/function/invocations"
        reply = call(seen.address, "POST", path, body, {"X-Amz-Log-Type": "Tail"})
        seen.said("── KeyError ──")
        assert "──" not in base64.b64decode(reply.headers["x-amz-log-result"]).decode()


@pytest.mark.parametrize(("event", "title"), [("exit", "── Runtime.ExitError ──"), ("sleep", "── Sandbox.Timedout ──")])
def test_crashes_and_timeouts_are_shown(tmp_path: Path, event: str, title: str) -> None:
    with on_a_terminal(tmp_path, AWS_LAMBDA_FUNCTION_TIMEOUT="1") as seen:
        seen.invoke(event)
        seen.said(title)
        seen.said(f'"{event}"')


def test_an_init_that_fails_is_shown_at_once_with_what_to_do(tmp_path: Path) -> None:
    with on_a_terminal(tmp_path, source="import not_installed") as seen:
        seen.said("The function did not start")
        assert f"pip install --target {tmp_path} not_installed" in seen.text
        seen.invoke({})
        seen.said("^REPORT")
        assert seen.text.count("── Runtime.ImportModuleError ──") == 2


def test_a_runtime_that_leaves_at_init_is_shown_at_once(tmp_path: Path) -> None:
    with on_a_terminal(tmp_path, source="import os; os._exit(4)") as seen:
        seen.said("The function did not start")
        assert "exit status 4" in seen.text


def test_it_is_shown_on_standard_error_when_only_that_is_a_terminal(tmp_path: Path) -> None:
    with on_a_terminal(tmp_path, streams=[2]) as seen:
        seen.invoke({"key": 1})
        seen.said("── KeyError ──")
        until(lambda: "REPORT" in (tmp_path / "other").read_text(), "the log")
        assert "──" not in (tmp_path / "other").read_text()
        assert "START RequestId" not in seen.text


@pytest.mark.parametrize("off", [{"RAPID_ERROR_PAGE": "off"}, {}])
def test_it_can_be_switched_off(tmp_path: Path, off: dict[str, str]) -> None:
    words = () if off else ("--error-page", "off", "app.handler")
    with on_a_terminal(tmp_path, *words, streams=(1, 2), **off) as seen:
        seen.invoke({"key": 1})
        seen.said("^REPORT")
        assert "──" not in seen.text


def test_there_are_colours_unless_they_are_not_wanted(tmp_path: Path) -> None:
    with on_a_terminal(tmp_path) as seen:
        seen.invoke({"key": 1})
        seen.said("\x1b\\[1;31m── KeyError ──")
    with on_a_terminal(tmp_path, TERM="dumb") as seen:
        seen.invoke({"key": 1})
        seen.said("^── KeyError ──")


def test_nothing_is_shown_without_a_terminal(tmp_path: Path) -> None:
    write(tmp_path, app=SOURCE)
    with running("app.handler", tmp_path) as program:
        program.invoke({"key": 1})
        program.said("^REPORT")
        assert program.stop() == 0
        assert "──" not in "".join(program.output + program.errors)
