"""The function process is a foreign country: whatever the user's files are called, none breaks the loop."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runtime.harness import Event, ours, request_id, write

RUNTIME_NAMES = [
    *(
        "runtime",
        "client",
        "bootstrap",
        "extensions",
        "rapid",
        "handler",
        "context",
        "loop",
        "start",
        "paths",
        "errors",
    ),
    *("logs", "formats", "report", "frames", "frame_types", "json_records", "log_handler"),
]
LIBRARY_NAMES = [
    *("json", "socket", "traceback", "linecache", "decimal", "re", "gc", "importlib", "string", "typing", "warnings"),
    *("__future__", "_json", "_socket", "tokenize", "token"),
]


@pytest.mark.parametrize("name", [*RUNTIME_NAMES, "json", "socket", "traceback", "decimal"])
def test_the_handlers_module_may_be_called(tmp_path: Path, name: str) -> None:
    write(tmp_path, **{name: "def handler(event, context):\n    return [__name__, 1 / event]\n"})
    run = ours(tmp_path, Event("1"), Event("0"), Event("{"), Event("2"), handler=f"{name}.handler")
    assert run.posts[0].body == f'["{name}", 1.0]'.encode()
    assert [post.json()["errorType"] for post in run.posts[1:3]] == ["ZeroDivisionError", "Runtime.UnmarshalError"]
    assert run.posts[3].json() == [name, 0.5]
    assert run.stdout.count("[ERROR]") == 2


@pytest.mark.parametrize("how", ["folder", "PYTHONPATH"])
def test_all_names_of_the_runtime_import_as_the_users(tmp_path: Path, how: str) -> None:
    folder = tmp_path if how == "folder" else tmp_path / "elsewhere"
    write(folder, **dict.fromkeys(RUNTIME_NAMES, "MINE = True"))
    source = f"""
import sys, {", ".join(RUNTIME_NAMES)}
ALL = all(sys.modules[name].MINE for name in {RUNTIME_NAMES})
def handler(event, context): return ALL
"""
    write(tmp_path, app=source)
    env = {"PYTHONPATH": str(folder)} if how == "PYTHONPATH" else {}
    run = ours(tmp_path, Event(), env=env)
    assert run.only.body == b"true"


@pytest.mark.parametrize("name", LIBRARY_NAMES)
@pytest.mark.parametrize("how", ["folder", "PYTHONPATH"])
def test_a_file_called_like_the_librarys_does_not_break_the_loop(tmp_path: Path, name: str, how: str) -> None:
    folder = tmp_path if how == "folder" else tmp_path / "elsewhere"
    write(folder, **{name: "raise RuntimeError('the user\\'s own')"})
    write(tmp_path, app="def handler(event, context): return [1 / event, b'x']")
    env = {"PYTHONPATH": str(folder)} if how == "PYTHONPATH" else {}
    run = ours(tmp_path, Event("1"), Event("0"), Event("{"), Event("2"), env=env)
    assert run.posts[0].body == b'[1.0, "x"]'
    assert [post.json()["errorType"] for post in run.posts[1:3]] == ["ZeroDivisionError", "Runtime.UnmarshalError"]
    assert run.posts[3].body == b'[0.5, "x"]'


@pytest.mark.parametrize("log_format", ["Text", "JSON"])
def test_errors_are_reported_when_the_function_uses_a_module_called_like_one_that_is_needed(
    tmp_path: Path, log_format: str
) -> None:
    write(tmp_path, tokenize="MINE = 1")
    source = """
import tokenize, logging
def handler(event, context):
    try:
        return tokenize.MINE / event
    except ZeroDivisionError:
        if context.log_group_name: logging.exception("logged")
        raise
"""
    write(tmp_path, app=source.replace("context.log_group_name", str(log_format == "JSON")))
    run = ours(tmp_path, Event("0"), Event("1"), Event("0"), env={"AWS_LAMBDA_LOG_FORMAT": log_format})
    assert [post.body == b"1.0" or post.json()["errorType"] for post in run.posts] == [
        "ZeroDivisionError",
        True,
        "ZeroDivisionError",
    ]
    assert "tokenize.MINE / event" in run.posts[0].json()["stackTrace"][0]


def test_logging_is_the_librarys_whatever_lies_about(tmp_path: Path) -> None:
    write(tmp_path, logging="MINE = 1", string="raise RuntimeError", traceback="raise RuntimeError")
    write(tmp_path, app="import logging\ndef handler(event, context): logging.warning('hello')")
    run = ours(tmp_path, Event())
    assert run.only.body == b"null"
    assert run.stdout.endswith("\thello\n")


@pytest.mark.parametrize("safe_path", ["", "1"])
def test_the_import_path(tmp_path: Path, safe_path: str) -> None:
    """Task root, PYTHONPATH, layers, and what the interpreter had; nothing of the runtime."""
    task, extra = tmp_path / "task", tmp_path / "extra"
    task.mkdir()
    extra.mkdir()
    write(task, app="import sys\ndef handler(event, context): return [sys.path, list(sys.version_info[:2])]")
    run = ours(tmp_path, Event(), LAMBDA_TASK_ROOT=str(task), PYTHONPATH=f"{extra}:", PYTHONSAFEPATH=safe_path)
    path, (major, minor) = run.only.json()
    layers = [f"/opt/python/lib/python{major}.{minor}/site-packages", "/opt/python"]
    assert path[:4] == [str(task), str(extra), *layers]
    assert any(entry.endswith(f"/python{major}.{minor}") for entry in path[4:])
    assert any(entry.endswith("site-packages") for entry in path[4:])
    assert not any(entry.endswith("/runtime") for entry in path)
    assert len(path) == len(set(path))


def test_the_working_directory_is_the_task_root_when_there_is_none(tmp_path: Path) -> None:
    write(tmp_path, app="def handler(event, context): return __file__")
    run = ours(tmp_path, Event(), LAMBDA_TASK_ROOT=str(tmp_path / "nowhere"))
    assert run.only.json() == str(tmp_path / "app.py")


def test_the_users_globals_are_not_ours(tmp_path: Path) -> None:
    """Children that multiprocessing spawns import the main script again: it must not start a second loop."""
    source = """
import multiprocessing
def work(pipe): pipe.send("from the child")
def handler(event, context):
    near, far = multiprocessing.Pipe()
    child = multiprocessing.get_context(event).Process(target=work, args=(far,))
    child.start()
    child.join()
    return [near.recv(), child.exitcode]
"""
    run = ours(write(tmp_path, app=source), Event('"spawn"'), Event('"fork"'))
    assert [post.json() for post in run.posts] == [["from the child", 0]] * 2


DOES = {
    "closes standard output": "sys.stdout.close()",
    "closes its descriptor": "os.close(1)",
    "closes standard error": "sys.stderr.close()",
    "takes the streams away": "sys.stdout = sys.stderr = None",
    "changes directory": "os.chdir('/')",
    "removes its working directory": "os.mkdir('gone')\n    os.chdir('gone')\n    os.rmdir('../gone')",
    "closes all descriptors": "os.closerange(3, 1000)",
    "uses up all descriptors": (
        "resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))\n"
        "    with contextlib.suppress(OSError):\n"
        "        while True: os.dup(0)"
    ),
    "forks, and the child exits": "if not (pid := os.fork()): os._exit(0)\n    os.waitpid(pid, 0)",
    "forks, and the child leaves by sys.exit": "if not (pid := os.fork()): sys.exit(0)\n    os.waitpid(pid, 0)",
    "forks, and the child returns": "if pid := os.fork(): os.waitpid(pid, 0)",
    "forks, and the child raises": "if not (pid := os.fork()): raise KeyError('in the child')\n    os.waitpid(pid, 0)",
    "raises in a thread": "one = threading.Thread(target=lambda: 1 / 0)\n    one.start()\n    one.join()",
    "leaves a thread behind": "threading.Thread(target=threading.Event().wait, daemon=True).start()",
    "is signalled": "signal.signal(signal.SIGUSR1, lambda *_: None)\n    os.kill(os.getpid(), signal.SIGUSR1)",
    "changes the logging set-up": "logging.basicConfig(force=True, level=1)\n    logging.getLogger().handlers.clear()",
    "shuts logging down": "logging.shutdown()\n    logging.disable(100)",
    "empties the environment": "os.environ.clear()",
    "empties the import path": "sys.path.clear()",
    "lowers the limit of calls": "sys.setrecursionlimit(sys.getrecursionlimit() - 800)",
    "takes the exception hook away": "sys.excepthook = None",
}


@pytest.mark.parametrize("what", DOES)
def test_the_loop_goes_on_when_user_code(tmp_path: Path, what: str) -> None:
    source = f"""
import contextlib, logging, os, resource, signal, sys, threading
def handler(event, context):
    if event == "raise":
        raise ValueError("told")
    if event == "stay":
        return os.getpid()
    {DOES[what]}
    return os.getpid()
"""
    run = ours(write(tmp_path, app=source), Event('"do"'), Event('"raise"'), Event('"stay"'))
    first, error, last = run.posts
    assert first.json() == last.json()
    assert (error.json()["errorType"], error.json()["errorMessage"]) == ("ValueError", "told")
    if what != "closes standard error" and what != "takes the streams away":
        assert "[ERROR] ValueError: told" in run.stdout + run.stderr


def test_an_error_is_reported_when_nothing_of_the_import_path_is_left(tmp_path: Path) -> None:
    """What reports it has not been imported before."""
    source = "import sys\ndef handler(event, context):\n    sys.path.clear()\n    raise ValueError('told')\n"
    assert ours(write(tmp_path, app=source), Event()).only.json()["errorMessage"] == "told"


CHILDREN = {
    "a coroutine": "import os\nasync def handler(event, context):\n    return bool(os.fork())\n",
    "a generator": "import os\ndef handler(event, context):\n    yield 'a'\n    os.fork()\n",
}


@pytest.mark.parametrize("kind", CHILDREN)
def test_a_child_that_has_left_the_handler_answers_nothing(tmp_path: Path, kind: str) -> None:
    run = ours(write(tmp_path, app=CHILDREN[kind]), Event(), Event(), Event())
    assert [post.kind.split("/")[1] for post in run.posts] == [request_id(number) for number in range(3)]
    assert [post.body for post in run.posts] == [b"a" if kind == "a generator" else b"true"] * 3
    assert run.stderr.count("has left the handler") == 3


@pytest.mark.parametrize("does", ["sys.stderr.close()", "sys.stderr = None", "sys.stderr = object()"])
def test_what_the_runtime_has_to_say_does_not_need_the_functions_standard_error(tmp_path: Path, does: str) -> None:
    source = f"import sys\ndef handler(event, context):\n    if event: {does}\n    return event"
    run = ours(write(tmp_path, app=source), Event("1", post_status=403), Event("0"))
    assert [post.body for post in run.posts] == [b"1", b"0"]
    assert "answered 403" in run.stderr or "close" in does


TAKEN_APART = {
    "sys.modules": "import sys; sys.modules.clear()",
    "traceback": "import traceback; traceback.extract_tb = traceback.walk_tb = traceback.StackSummary = None",
}


@pytest.mark.parametrize("what", TAKEN_APART)
def test_an_error_that_cannot_be_reported_is_told_all_the_same(tmp_path: Path, what: str) -> None:
    does = TAKEN_APART[what]
    write(tmp_path, app=f"def handler(event, context):\n    if event:\n        {does}\n    return 1 / event['by']\n")
    run = ours(tmp_path, Event('{"by": 0}'), Event('{"by": 2}'))
    first, second = run.posts
    assert (first.kind.rpartition("/")[2], first.json()["errorType"]) == ("error", "ZeroDivisionError")
    # Without its modules the interpreter itself does not get far, from Python 3.12 on; but who asks is answered.
    assert second.body == b"0.5" or (what == "sys.modules" and second.kind.endswith("/error"))
