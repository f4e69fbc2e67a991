"""The framed log's descriptor: who has it, and what becomes of the log when it fails."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import pytest

from tests.runtime.framed import framed_log, read_frames
from tests.runtime.harness import Event, Run, both_framed, ours, write
from tests.support.program import until

LOGS = """
import fcntl, logging, os, sys, termios, threading
def framed_log():
    links = {number: f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")}
    return [int(number) for number, link in links.items() if os.path.islink(link) and "framed-log" in os.readlink(link)]
def handler(event, context):
    exec(event)
    logging.error("a\\nb")
    1 / 0
"""
NAME = "_LAMBDA_TELEMETRY_LOG_FD"


def _run(task: Path, before: str, descriptor: int | None, **env: str) -> Run:
    return ours(write(task, app=LOGS), Event(json.dumps(before)), Event('"pass"'), descriptor=descriptor, env=env)


def _all_in_the_log(run: Run) -> bool:
    """Both invocations went their way, and their records and errors are on standard output."""
    assert [post.json()["errorType"] for post in run.posts] == ["ZeroDivisionError"] * 2
    return run.stdout.count("\ta\nb\n") == 2 and run.stdout.count("[ERROR] ZeroDivisionError: division by zero\r") == 2


def test_print_stays_on_standard_output_and_errors_go_to_the_log(tmp_path: Path) -> None:
    mine, other = both_framed(write(tmp_path, app=LOGS), Event('"print(1, file=sys.stderr); print(2)"'))
    assert mine.stdout == other.stdout == "2\n"
    assert mine.stderr.startswith("1\n")
    (_, record), (_, error) = mine.frames
    assert record.endswith("\ta\nb\n")
    assert error.startswith("[ERROR] ZeroDivisionError: division by zero\nTraceback (most recent call last):\n\u00a0")


@pytest.mark.parametrize(
    "expression",
    [
        f"'{NAME}' in os.environ",
        f"os.popen('echo ${NAME}').read()",
        "[type(it).__name__ for it in logging.getLogger().handlers]",
        "[hasattr(it, 'log_sink') for it in logging.getLogger().handlers]",
    ],
)
def test_user_code_finds_what_it_finds_with_aws(tmp_path: Path, expression: str) -> None:
    source = f"import logging, os\nAT_IMPORT = {expression}\n"
    write(tmp_path, app=source + f"def handler(event, context): return [AT_IMPORT, {expression}]")
    mine, other = both_framed(tmp_path, Event())
    assert mine.only.body == other.only.body


def test_a_frame_has_the_time_in_microseconds(tmp_path: Path) -> None:
    before = time.time_ns() // 1000
    with framed_log() as (descriptor, read):
        _run(tmp_path, "pass", descriptor)
        times = [at for _kind, at, _text in read_frames(read())]
    assert before <= times[0] <= times[1] <= times[2] <= times[3] <= time.time_ns() // 1000


def test_what_the_function_starts_does_not_get_the_descriptor(tmp_path: Path) -> None:
    """Named difference: with awslambdaric it does, unless it was told to close others."""
    statement = 'print(len(framed_log())); os.system("ls -l /proc/self/fd | grep -c framed-log")'
    with framed_log() as (descriptor, _read):
        assert _run(tmp_path, statement, descriptor).stdout == "1\n0\n"


@pytest.mark.parametrize("descriptor", ["", "x", "-1", "99", "1" * 30])
def test_a_useless_descriptor_is_said_and_standard_output_taken(tmp_path: Path, descriptor: str) -> None:
    run = _run(tmp_path, "pass", None, **{NAME: descriptor})
    assert _all_in_the_log(run)
    assert run.stderr.startswith(f"runtime: {NAME} is '{descriptor}': ")
    assert run.stderr.splitlines()[0].endswith("; writing to standard output")


def test_a_descriptor_that_cannot_be_written_to(tmp_path: Path) -> None:
    descriptor = os.open("/dev/null", os.O_RDONLY)
    try:
        assert _all_in_the_log(_run(tmp_path, "pass", descriptor))
    finally:
        os.close(descriptor)


def test_a_pipe_that_nobody_reads_any_more(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        assert _all_in_the_log(_run(tmp_path, "pass", writing))
    finally:
        os.close(writing)


@pytest.mark.parametrize(
    "statement",
    ["os.close(*framed_log())", "os.dup2(os.open('mine', os.O_CREAT | os.O_WRONLY), *framed_log())"],
    ids=["closed", "another file's number"],
)
def test_a_descriptor_that_user_code_has_closed(tmp_path: Path, statement: str) -> None:
    (tmp_path / "mine").touch()
    with framed_log() as (descriptor, read):
        assert _all_in_the_log(_run(tmp_path, statement, descriptor))
        assert (read(), (tmp_path / "mine").read_bytes()) == (b"", b"")


class Reader(threading.Thread):
    """Reads a pipe to its end, from when a file is there."""

    def __init__(self, go: Path) -> None:
        super().__init__()
        self._go = go
        self._reading, self.writing = os.pipe()
        self.data = b""
        self.start()

    def run(self) -> None:
        until(self._go.exists, "the function to say go")
        with open(self._reading, "rb") as pipe:
            self.data = pipe.read()

    def finish(self) -> bytes:
        """All that was written; the runtime has left."""
        os.close(self.writing)
        self._go.touch()
        self.join()
        return self.data


FULL = """
import fcntl, logging, os, signal, struct, termios, threading, time
pipe = int(os.environ["PIPE"])
def is_full():
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"    "))[0] >= 65536
def handler(event, context):
    threads = [threading.Thread(target=context.log, args=(letter * 500_000,)) for letter in "ab"]
    for thread in threads: thread.start()
    while not is_full(): time.sleep(0.001)
    exec(event)
    for thread in threads: thread.join()
"""


def test_messages_longer_than_the_pipe_do_not_mix(tmp_path: Path) -> None:
    reader = Reader(tmp_path / "go")
    env = {"PIPE": str(reader.writing), "AWS_LAMBDA_LOG_FORMAT": "JSON"}
    task, event = write(tmp_path, app=FULL), "open('go', 'w').close(); logging.error('c' * 500_000); 1 / 0"
    try:
        run = ours(task, Event(json.dumps(event)), descriptor=reader.writing, env=env)
    finally:
        frames = read_frames(reader.finish())
    assert run.only.json()["errorType"] == "ZeroDivisionError"
    texts = {text for kind, _time, text in frames if kind == "a55a0003"}
    assert texts == {"a" * 500_000, "b" * 500_000}
    assert [kind for kind, _time, _text in frames if kind != "a55a0003"] == ["a55a0016"] * 2


def test_a_signal_in_the_middle_of_a_message_does_not_cut_it(tmp_path: Path) -> None:
    source = """
import signal
def handler(event, context):
    signal.signal(signal.SIGALRM, lambda *_: open("go", "w").close())
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    context.log("x" * 500_000)
"""
    reader = Reader(tmp_path / "go")
    try:
        ours(write(tmp_path, app=source), Event(), descriptor=reader.writing)
    finally:
        data = reader.finish()
    assert [text for _kind, _time, text in read_frames(data)] == ["x" * 500_000]


def test_a_fork_in_the_middle_of_a_message_can_log(tmp_path: Path) -> None:
    """Its copy of the lock is held by a thread that it does not have."""
    reader = Reader(tmp_path / "go")
    event = """
child = os.fork()
if not child:
    signal.alarm(10)
    open("go", "w").close()
    context.log("from the child")
    os._exit(0)
print(os.waitpid(child, 0)[1])
"""
    task, env = write(tmp_path, app=FULL), {"PIPE": str(reader.writing)}
    try:
        run = ours(task, Event(json.dumps(event)), descriptor=reader.writing, env=env)
    finally:
        data = reader.finish()
    assert (run.stdout, run.only.body) == ("0\n", b"null")
    assert b"from the child" in data
