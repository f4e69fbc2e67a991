"""The runtime as a template: forked for each environment, over a unix socket, by a client of ten lines."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.framed import framed_log, read_frames
from tests.runtime.harness import PYTHON, Event, write
from tests.runtime.templates import PATIENCE, Client, Environment, Template, serve, template
from tests.runtime.test_snapshot import HOOKS
from tests.support.program import until

ECHO = "def handler(event, context): return event"
NEEDS_OUR_PACKAGES = pytest.mark.skipif(
    sys.executable != PYTHON, reason="the packages are those of the interpreter of the tests"
)


def test_two_forks_share_the_init_and_serve_their_own_runtime_apis(tmp_path: Path) -> None:
    source = """
import os
made_by, calls = os.getpid(), []
def handler(event, context):
    calls.append(event)
    return {
        "made by": made_by, "pid": os.getpid(), "group": os.getpgrp(), "calls": calls, "name": context.function_name,
        "v": os.environ.get("V"), "gone": os.environ.get("GONE"), "cwd": os.getcwd(), "input": os.read(0, 1).decode(),
    }
"""
    (tmp_path / "folder").mkdir()
    environ = {"V": "1", "GONE": None, "AWS_LAMBDA_FUNCTION_NAME": "second"}
    with template(write(tmp_path, app=source), GONE="here", AWS_LAMBDA_FUNCTION_NAME="first") as running:
        pid = running.process.pid
        with (
            Environment(running, Event("1"), Event("2")) as one,
            Environment(running, Event('"a"'), environ=environ, cwd=str(tmp_path / "folder")) as other,
        ):
            other.go()
            one.go()
            assert (one.ended()[0], other.ended()[0]) == (1, 1)
            common = {"made by": pid, "input": ""}
            mine = {**common, "pid": one.pid, "group": one.pid, "name": "first", "v": None, "gone": "here"}
            assert one.results == [
                {**mine, "cwd": str(tmp_path), "calls": [1]},
                {**mine, "cwd": str(tmp_path), "calls": [1, 2]},
            ]
            assert other.results == [
                {
                    **common,
                    "pid": other.pid,
                    "group": other.pid,
                    "name": "second",
                    "v": "1",
                    "gone": None,
                    "calls": ["a"],
                    "cwd": str(tmp_path / "folder"),
                }
            ]
            for environment in (one, other):
                kinds = [request.kind for request in environment.api.requests]
                assert kinds[0] == "invocation/next", "a fork is not restored by its Runtime API"
        assert [request.kind for request in running.api.requests] == ["restore/next"]
        assert running.process.poll() is None
        assert running.written() == ""


RANDOMNESS = """
import random, secrets, uuid
random.seed(1)
uuid.uuid1()
def handler(event, context):
    return [random.random(), secrets.token_hex(), str(uuid.uuid4()), str(uuid.uuid1().clock_seq)]
"""


def test_forks_draw_different_numbers(tmp_path: Path) -> None:
    with template(write(tmp_path, app=RANDOMNESS)) as running:
        drawn = [serve(running, Event())[0] for _ in range(3)]
    for numbers in zip(*drawn, strict=True):
        assert len(set(numbers)) == 3


@NEEDS_OUR_PACKAGES
def test_numpys_own_generator_is_seeded_anew(tmp_path: Path) -> None:
    source = "import numpy\nnumpy.random.seed(1)\ndef handler(event, context): return float(numpy.random.rand())"
    with template(write(tmp_path, app=source)) as running:
        assert serve(running, Event()) != serve(running, Event())
        assert running.written() == ""


def test_hooks_run_before_once_and_after_in_each_fork(tmp_path: Path) -> None:
    source = """
import os
from snapshot_restore_py import register_after_restore, register_before_snapshot
steps = []
register_before_snapshot(lambda: steps.append(os.getpid()))
register_after_restore(lambda: steps.append(os.getpid()))
def handler(event, context): return steps
"""
    with template(write(tmp_path, app=source, snapshot_restore_py=HOOKS)) as running:
        for _ in range(2):
            with Environment(running, Event()) as environment:
                environment.go()
                environment.ended()
                assert environment.results == [[running.process.pid, environment.pid]]


def test_a_hook_that_fails_after_the_restore_ends_its_fork_alone(tmp_path: Path) -> None:
    source = f"""
import os
from snapshot_restore_py import register_after_restore
def after():
    if os.environ.get("FAILS"): raise ValueError("no")
register_after_restore(after)
{ECHO}
"""
    with template(write(tmp_path, app=source, snapshot_restore_py=HOOKS)) as running:
        with Environment(running, environ={"FAILS": "1"}) as environment:
            environment.go()
            status, written = environment.ended()
            assert status == 65
            assert written.startswith("[ERROR] ValueError: no\rTraceback")
            (post,) = environment.api.requests
            assert post.kind == "restore/error"
            assert post.headers["lambda-runtime-function-error-type"] == "Runtime.AfterRestoreError"
        assert serve(running, Event("1")) == [1]


def test_a_hook_that_fails_before_the_snapshot_leaves_no_template(tmp_path: Path) -> None:
    source = f"from snapshot_restore_py import register_before_snapshot\nregister_before_snapshot(exit)\n{ECHO}"
    with template(write(tmp_path, app=source, snapshot_restore_py=HOOKS)) as running:
        assert running.process.wait(PATIENCE) == 64
        assert not running.path.exists()


def test_a_template_describes_what_forks_do_not_carry(tmp_path: Path) -> None:
    source = f"""
import _thread, socket, threading
import beside
started = threading.Event()
def wait():
    started.set()
    threading.Event().wait()
threading.Thread(target=wait, name="poller", daemon=True).start()
started.wait()
lock = _thread.allocate_lock()
lock.acquire()
_thread.start_new_thread(lock.acquire, ())
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
pair = socket.socketpair()
{ECHO}
"""
    with template(write(tmp_path, app=source, beside="")) as running:
        described = running.ask({"do": "describe"})
        assert described["pid"] == running.process.pid
        assert sorted(described["threads"]) == ["native thread", "poller"]
        assert described["sockets"] == 1
        assert {str(tmp_path / "app.py"), str(tmp_path / "beside.py")} <= set(described["files"])
        assert not [file for file in described["files"] if "/lib/python3." in file and "-packages" not in file]
        assert serve(running, Event("1")) == [1]
        assert running.written() == "", "what warns of threads is for whoever asked for the fork"


def test_thread_pools_go_on_with_threads_of_the_fork(tmp_path: Path) -> None:
    """Idle threads are nobody's loss, and not named; one that was at work is."""
    source = """
import concurrent.futures, os, threading
idle = concurrent.futures.ThreadPoolExecutor(2, "idle")
idle.submit(int).result()
def handler(event, context):
    if event == "both":
        return [pool.submit(os.getpid).result() == os.getpid() for pool in (idle, busy)]
    return idle.submit(os.getpid).result() == os.getpid()
"""
    busy = """
busy = concurrent.futures.ThreadPoolExecutor(1, "busy")
started = threading.Event()
busy.submit(lambda: (started.set(), threading.Event().wait()))
started.wait()
"""
    with template(write(tmp_path, app=source)) as running:
        until(lambda: running.ask({"do": "describe"})["threads"] == [], "the pool to be idle", PATIENCE)
        assert serve(running, Event(), Event()) == [True, True]
    with template(write(tmp_path, app=source + busy)) as running:
        until(lambda: running.ask({"do": "describe"})["threads"] == ["busy_0"], "the pool to be idle", PATIENCE)
        assert serve(running, Event('"both"')) == [[True, True]]


def test_a_thread_that_prints_holds_no_fork_up(tmp_path: Path) -> None:
    """A lock of a stream that a thread holds in the template is not held in the fork, where that thread is not.

    It does not log: the C library's lock of its time zone is no stream's, and nobody can have it let go.
    """
    source = """
import logging, threading
def print_for_ever():
    while True:
        print("noise")
threading.Thread(target=print_for_ever, daemon=True).start()
def handler(event, context):
    print("printed")
    logging.warning("logged")
    return event
"""
    with template(write(tmp_path, app=source)) as running:
        for number in range(40):
            assert serve(running, Event(str(number))) == [number]


def test_a_template_without_threads_and_sockets_says_so(tmp_path: Path) -> None:
    with template(write(tmp_path, app=ECHO)) as running:
        described = running.ask({"do": "describe"})
        assert (described["threads"], described["sockets"]) == ([], 0)


def test_only_its_own_user_may_connect(tmp_path: Path) -> None:
    with template(write(tmp_path, app=ECHO)) as running:
        assert running.path.stat().st_mode & 0o777 == 0o600


def test_a_fork_that_is_not_wanted_ends_in_silence(tmp_path: Path) -> None:
    with template(write(tmp_path, app=f"import atexit\natexit.register(print, 'bye')\n{ECHO}")) as running:
        with Environment(running) as environment:
            environment.leave()
            assert environment.ended() == (0, "")
            assert environment.api.requests == []
        assert serve(running, Event("1")) == [1]


def test_logs_go_where_the_fork_is_told(tmp_path: Path) -> None:
    source = """
import logging, os
def handler(event, context):
    print("printed")
    os.write(2, b"written\\n")
    logging.warning("logged")
    return "_LAMBDA_TELEMETRY_LOG_FD" in os.environ
"""
    log_descriptor = {"_LAMBDA_TELEMETRY_LOG_FD": "77"}
    with template(write(tmp_path, app=source)) as running:
        with Environment(running, Event(), framed=True, environ=log_descriptor) as environment:
            environment.go()
            written, framed = environment.ended()[1], environment.framed()
            assert written.startswith("printed\nwritten\n")
            assert "logged" not in written
            ((_kind, _time, text),) = read_frames(framed)
            assert text.endswith("\tlogged\n")
            assert environment.results == [False]
        with Environment(running, Event()) as environment:
            environment.go()
            assert "\tlogged\n" in environment.ended()[1]
        assert running.written() == ""


def test_a_templates_framed_log_is_not_its_forks(tmp_path: Path) -> None:
    source = "import logging\nlogging.warning('init')\ndef handler(event, context): logging.warning('invoked')"
    with framed_log() as (descriptor, read), template(write(tmp_path, app=source), framed=descriptor) as running:
        with Environment(running, Event(), framed=True) as environment:
            environment.go()
            framed = environment.framed()
            environment.ended()
            assert [text.rpartition("\t")[2] for _kind, _time, text in read_frames(framed)] == ["invoked\n"]
        with Environment(running, Event()) as environment:
            environment.go()
            assert "\tinvoked\n" in environment.ended()[1]
        assert running.ask({"do": "quiesce"}) == {"ok": True}
        running.process.kill()
        assert [text.rpartition("\t")[2] for _kind, _time, text in read_frames(read())] == ["init\n"]


ASYNC = """
import asyncio, os, socket, threading
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
mine, other = socket.socketpair()
mine.setblocking(False)
async def connect():
    await asyncio.get_running_loop().run_in_executor(None, int)
    reader, writer = await asyncio.open_connection(sock=mine)
    return reader, writer, asyncio.Queue(), asyncio.create_task(serve())
async def serve():
    while True:
        await asyncio.sleep(0.001)
reader, writer, queue, task = loop.run_until_complete(connect())
async def handler(event, context):
    running = asyncio.get_running_loop()
    writer.write(b"hello ")
    piece = (await running.sock_recv(other_end(), 100)).decode()
    await queue.put(event)
    threading.Thread(target=lambda: running.call_soon_threadsafe(queue.put_nowait, "from a thread")).start()
    executed = await running.run_in_executor(None, os.getpid)
    return [await queue.get(), await queue.get(), running is loop, executed == os.getpid(), piece, task.done()]
def other_end():
    other.setblocking(False)
    return other
"""


def test_what_was_opened_on_the_event_loop_at_init_works_in_every_fork(tmp_path: Path) -> None:
    with template(write(tmp_path, app=ASYNC)) as running:
        with Environment(running, Event("1"), Event("2")) as one, Environment(running, Event("3"), Event("4")) as other:
            for environment, numbers in ((one, (1, 2)), (other, (3, 4))):
                environment.go()
                assert environment.ended()[0] == 1
                expected = [[number, "from a thread", True, True, "hello ", False] for number in numbers]
                assert environment.results == expected
        assert running.written() == ""


def test_a_fork_wakes_up_no_other(tmp_path: Path) -> None:
    """What one fork registers with its loop, or takes away, is no matter to one that waits in the same place."""
    source = """
import asyncio, os, threading
loop = asyncio.new_event_loop()
reader, writer = os.pipe()
read = asyncio.Event()
loop.add_reader(reader, read.set)
def handler(event, context):
    if event == "forget":
        return loop.remove_reader(reader)
    threading.Timer(0, os.write, (writer, b"x")).start()
    loop.run_until_complete(asyncio.wait_for(read.wait(), 20))
    return os.read(reader, 1).decode()
"""
    with template(write(tmp_path, app=source)) as running:
        assert serve(running, Event('"forget"')) == [True]
        assert serve(running, Event('"read"')) == ["x"]


@NEEDS_OUR_PACKAGES
def test_a_loop_that_cannot_be_carried_over_is_named_and_replaced(tmp_path: Path) -> None:
    source = """
import asyncio, uvloop
asyncio.set_event_loop(uvloop.new_event_loop())
async def handler(event, context):
    await asyncio.sleep(0)
    return event
"""
    with template(write(tmp_path, app=source)) as running, Environment(running, Event("1")) as environment:
        environment.go()
        written = environment.ended()[1]
        assert "an event loop of the type uvloop.Loop cannot be carried over to a fork" in written
        assert environment.results == [1]


LIFESPAN = """
import os
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        print("stopped in", os.getpid())
        await send({"type": "lifespan.shutdown.complete"})
"""


def test_an_application_is_ended_in_each_fork_by_itself(tmp_path: Path) -> None:
    with template(write(tmp_path, app=LIFESPAN), "app:app") as running:
        with Environment(running) as environment:
            environment.go()
            assert environment.ended()[1].endswith(f"stopped in {environment.pid}\n")
        running.process.terminate()
        assert running.process.wait(PATIENCE) == -signal.SIGTERM
        assert running.written() == ""


def test_a_handler_of_sigterm_is_the_forks_and_the_template_just_ends(tmp_path: Path) -> None:
    source = f"""
import os, signal
def leave(number, frame):
    os.write(1, b"left")
    os._exit(7)
signal.signal(signal.SIGTERM, leave)
{ECHO}
"""
    with template(write(tmp_path, app=source)) as running:
        with Environment(running) as environment:
            environment.api.last.clear()
            environment.go()
            until(lambda: environment.api.requests, "the fork's first question", PATIENCE)
            os.kill(environment.pid, signal.SIGTERM)
            assert environment.ended() == (7, "left")
        running.process.terminate()
        assert running.process.wait(PATIENCE) == -signal.SIGTERM
        assert running.written() == ""


def _fork_request(**changes: Any) -> dict[str, Any]:
    return {"do": "fork", "environ": {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1"}, **changes}


NO_ENVIRON = "with fork comes environ, an object of names and values; null takes a variable away"
REFUSED: list[tuple[Any, int, str]] = [
    (b"rubbish\n", 0, "a request is a JSON object on one line"),
    (b"[1]\n", 0, "a request is a JSON object on one line"),
    (b"\xff\xfe\n", 0, "a request is a JSON object on one line"),
    (b"[" * 100_000 + b"\n", 0, "a request is a JSON object on one line"),
    ({}, 0, "None is not one of describe, quiesce, fork, which a template can do"),
    ({"do": ["fork"]}, 0, "['fork'] is not one of describe, quiesce, fork, which a template can do"),
    ({"do": "go"}, 0, "'go' is not one of describe, quiesce, fork, which a template can do"),
    (_fork_request(), 0, "with fork come 1 or 2 descriptors, output and framed log: there are 0"),
    (_fork_request(), 3, "with fork come 1 or 2 descriptors, output and framed log: there are 3"),
    (
        _fork_request(environ=None),
        1,
        "with fork comes environ, an object of names and values; null takes a variable away",
    ),
    (
        _fork_request(environ={"A": 1}),
        1,
        "with fork comes environ, an object of names and values; null takes a variable away",
    ),
    (_fork_request(environ={}), 1, "environ has no AWS_LAMBDA_RUNTIME_API: a fork has a Runtime API of its own"),
    (
        _fork_request(environ={"AWS_LAMBDA_RUNTIME_API": "a:b"}),
        1,
        "AWS_LAMBDA_RUNTIME_API in environ: 'a:b' is not an address of the form host:port",
    ),
    (
        _fork_request(environ={"": "1"}),
        1,
        "'' in environ: a name is not empty and has no '='; there is no NUL in either",
    ),
    (_fork_request(cwd=1), 1, "cwd is 1: the path of a folder was expected, or nothing"),
]


def test_what_cannot_be_done_is_refused_in_a_sentence_and_the_template_goes_on(tmp_path: Path) -> None:
    with template(write(tmp_path, app=ECHO)) as running:
        before = running.descriptors()
        with open(os.devnull) as nothing:
            for line, descriptors, sentence in REFUSED:
                assert running.ask(line, *[nothing.fileno()] * descriptors) == {"error": sentence}
        assert serve(running, Event("1")) == [1]
        assert running.descriptors() == before
        assert running.written() == ""


def test_clients_that_leave_or_hang_hold_nobody_up(tmp_path: Path) -> None:
    with template(write(tmp_path, app=ECHO)) as running, Client(running.path), Client(running.path) as hangs:
        for half in (b"", b'{"do": "desc'):
            with Client(running.path) as leaves:
                leaves.socket.sendall(half)
        assert hangs.ask({"do": "describe"})["pid"] == running.process.pid
        assert hangs.ask({"do": "nothing"})["error"]
        assert hangs.ask({"do": "describe"})["pid"] == running.process.pid
        assert serve(running, Event("1")) == [1]


def test_the_template_keeps_no_zombie_and_no_descriptor(tmp_path: Path) -> None:
    with template(write(tmp_path, app=ECHO)) as running:
        before = running.descriptors()
        for number in range(5):
            assert serve(running, Event(str(number))) == [number]
        assert running.descriptors() == before
        assert Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children").read_text() == ""


@pytest.mark.parametrize("fails", ["before", "between"])
def test_a_fork_that_fails_is_an_error_and_the_template_goes_on(tmp_path: Path, fails: str) -> None:
    source = f"""
import os
fork, calls = os.fork, []
def failing():
    calls.append(1)
    if len(calls) == {1 if fails == "before" else 2}: raise BlockingIOError(11, "Resource temporarily unavailable")
    return fork()
os.fork = failing
{ECHO}
"""
    with template(write(tmp_path, app=source)) as running:
        with open(os.devnull) as nothing:
            answer = running.ask(_fork_request(), nothing.fileno())
        assert answer == {"error": "the template cannot be forked: [Errno 11] Resource temporarily unavailable"}
        assert running.ask({"do": "describe"})["pid"] == running.process.pid


def test_functions_may_have_done_anything_at_init(tmp_path: Path) -> None:
    source = """
import os, signal, subprocess, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
subprocess.Popen(["sleep", "1000"])
subprocess.run(["true"])
os.chdir("/")
for descriptor in (0, 1, 2): os.close(descriptor)
sys.stdin = sys.stdout = sys.stderr = None
os.register_at_fork(after_in_child=lambda: forked.append(os.getpid()))
forked = []
def handler(event, context): return [event, os.getcwd(), os.getpid() in forked]
"""
    with template(write(tmp_path, app=source)) as running:
        assert serve(running, Event("1"), Event("2")) == [[1, "/", True], [2, "/", True]]


def test_files_of_the_names_that_a_template_needs_are_the_functions_own(tmp_path: Path) -> None:
    names = ("socket", "json", "select", "warnings", "signal", "random", "uuid", "asyncio", "gc", "threading", "stat")
    source = f"import {', '.join(name for name in names if name not in ('gc', 'signal', 'stat', 'warnings'))}\n{ECHO}"
    with template(write(tmp_path, app=source, **dict.fromkeys(names, "mine = 1"))) as running:
        assert serve(running, Event("1")) == [1]
        assert running.ask({"do": "describe"})["threads"] == []


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with (
        template(write(tmp_path, app=ECHO)) as running,
        Environment(running, Event("1"), cwd="/nowhere") as environment,
    ):
        environment.go()
        assert "runtime: the working directory stays that of the snapshot: " in environment.ended()[1]
        assert environment.results == [1]


def _outside(running: Template) -> list[str]:
    return [name.partition(":")[0] for name in running.descriptors() if name != os.devnull]


def test_a_quiet_template_has_nothing_open_outside_and_can_still_be_forked(tmp_path: Path) -> None:
    with template(write(tmp_path, app=f"print('init')\n{ECHO}")) as running:
        with Client(running.path) as client, Client(running.path):
            assert client.ask({"do": "quiesce"}) == {"ok": True}
            assert client.answer() is None, "the connection itself is closed as well"
        until(lambda: _outside(running) == ["socket"], "nothing but the socket that it listens at", PATIENCE)
        assert running.written() == "init\n"
        assert serve(running, Event("1")) == [1]
        assert running.ask({"do": "quiesce"}) == {"ok": True}
        assert serve(running, Event("2")) == [2]


def test_a_process_that_the_runtime_api_restores_goes_on_alone(tmp_path: Path) -> None:
    with template(write(tmp_path, app=ECHO), restored=True) as running:
        running.api.events.clear()
        assert running.process.wait(PATIENCE) == 1
        assert [request.kind for request in running.api.requests] == ["restore/next", "invocation/next"]
        assert not running.path.exists()


def test_a_template_whose_runtime_api_is_gone_ends(tmp_path: Path) -> None:
    with template(write(tmp_path, app=ECHO)) as running:
        running.api.drop_connections()
        assert running.process.wait(PATIENCE) == 64
        assert "the connection was closed without a reply" in running.written()


def test_where_it_cannot_listen_it_says_so_and_is_restored_alone(tmp_path: Path) -> None:
    (tmp_path / "template").mkdir()
    with template(write(tmp_path, app=ECHO), restored=True) as running:
        assert running.process.wait(PATIENCE) == 1
        assert "this process cannot be forked" in running.written()


def test_the_place_of_a_process_before_is_taken(tmp_path: Path) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as before:
        before.bind(str(tmp_path / "template"))
    with template(write(tmp_path, app=ECHO)) as running:
        assert serve(running, Event("1")) == [1]


def test_the_function_does_not_see_where_the_template_listens(tmp_path: Path) -> None:
    source = "import os\nseen = 'RAPID_TEMPLATE_SOCKET' in os.environ\ndef handler(event, context): return seen"
    with template(write(tmp_path, app=source)) as running:
        assert serve(running, Event()) == [False]


@pytest.mark.parametrize(("set_by_function", "expected"), [("", "own"), ("tempfile.tempdir = '/var/tmp'", "/var/tmp")])
def test_a_fork_has_temporary_files_where_it_is_told(tmp_path: Path, set_by_function: str, expected: str) -> None:
    source = f"""
import tempfile
tempfile.gettempdir()
{set_by_function}
def handler(event, context):
    return tempfile.gettempdir()
"""
    own = tmp_path / "own"
    own.mkdir()
    with template(write(tmp_path, app=source), TMPDIR=str(tmp_path)) as running:
        (told,) = serve(running, Event("1"), environ={"TMPDIR": str(own)})
        assert told == (str(own) if expected == "own" else expected)
        assert serve(running, Event("1")) == [str(tmp_path) if expected == "own" else expected]


def test_proc_shows_whose_process_a_fork_is(tmp_path: Path) -> None:
    source = """
import os, signal, subprocess
def shown(pid="self"):
    with open(f"/proc/{pid}/environ") as file:
        return [entry for entry in file.read().split("\\0") if entry.startswith(("AWS_LAMBDA_RUNTIME_API=", "V="))]
def handler(event, context):
    pid = os.fork()
    if pid == 0:
        signal.pause()
    told = [shown(), shown(pid), subprocess.check_output(["printenv", "AWS_LAMBDA_RUNTIME_API"], text=True).strip()]
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return told
"""
    with template(write(tmp_path, app=source), V="kept") as running, Environment(running, Event("1")) as one:
        one.go()
        one.ended()
        own = {f"AWS_LAMBDA_RUNTIME_API={one.api.address}", "V=kept"}
        shown, inherited, executed = one.results[0]
        assert ({*shown}, {*inherited}, executed) == (own, own, one.api.address)
