"""Coroutines as handlers, on one event loop that lives as long as the process."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runtime.harness import Event, Run, ours, theirs, write


def _bodies(run: Run) -> list[object]:
    return [post.json() for post in run.posts]


HANDLERS = {
    "function": "async def handler(event, context): return await work(event)",
    "partial": "async def h(extra, event, context): return await work(event)\nhandler = functools.partial(h, 1)",
    "object": "class H:\n    async def __call__(self, event, context): return await work(event)\nhandler = H()",
    "method": "class H:\n    async def m(self, event, context): return await work(event)\nhandler = H().m",
    "decorated": """
def decorator(function):
    @functools.wraps(function)
    def wrapper(*arguments): return function(*arguments)
    return wrapper
@decorator
async def handler(event, context): return await work(event)
""",
    "lambda": "handler = lambda event, context: work(event)",
    "awaitable": """
class Later:
    def __await__(self): return work(self.event).__await__()
def handler(event, context):
    later = Later()
    later.event = event
    return later
""",
}


@pytest.mark.parametrize("name", HANDLERS)
def test_what_can_be_awaited_is_awaited(tmp_path: Path, name: str) -> None:
    source = "import asyncio, functools\nasync def work(event):\n    await asyncio.sleep(0)\n    return event\n"
    run = ours(write(tmp_path, app=source + HANDLERS[name]), Event("[1]"), Event('"two"'))
    assert _bodies(run) == [[1], "two"]
    assert [post.headers["content-type"] for post in run.posts] == ["application/json"] * 2


def test_all_invocations_run_on_one_loop(tmp_path: Path) -> None:
    """A queue and a task of the first invocation serve the second."""
    source = """
import asyncio
loops, state = [], {}
async def serve():
    while True:
        event, answer = await state["queue"].get()
        answer.set_result([event])
async def handler(event, context):
    loops.append(asyncio.get_running_loop())
    if not state:
        state["queue"] = asyncio.Queue()
        state["task"] = asyncio.create_task(serve())
    answer = asyncio.get_running_loop().create_future()
    await state["queue"].put((event, answer))
    return [await answer, len(set(map(id, loops)))]
"""
    run = ours(write(tmp_path, app=source), Event("1"), Event("2"), Event("3"))
    assert _bodies(run) == [[[1], 1], [[2], 1], [[3], 1]]


INITS = {
    "made": "loop = asyncio.new_event_loop()\nasyncio.set_event_loop(loop)",
    "got": "import sys\nloop = asyncio.get_event_loop() if sys.version_info < (3, 12) else None",
    "policy": """
import warnings
warnings.simplefilter("ignore")
class Policy(asyncio.DefaultEventLoopPolicy):
    def new_event_loop(self):
        made = super().new_event_loop()
        made.mine = True
        return made
asyncio.set_event_loop_policy(Policy())
loop = None
""",
    "after-run": "async def nothing(): pass\nasyncio.run(nothing())\nloop = None",
    "closed": "asyncio.set_event_loop(asyncio.new_event_loop())\nasyncio.get_event_loop().close()\nloop = None",
    "running": """
import threading
busy = asyncio.new_event_loop()
asyncio.set_event_loop(busy)
begun = threading.Event()
busy.call_soon(begun.set)
threading.Thread(target=busy.run_forever, daemon=True).start()
begun.wait()
loop = None
""",
}


@pytest.mark.parametrize("name", INITS)
def test_the_loop_is_the_one_that_user_code_made_current(tmp_path: Path, name: str) -> None:
    source = f"""
import asyncio
{INITS[name]}
future = loop.create_future() if loop else None
async def handler(event, context):
    running = asyncio.get_running_loop()
    if future is not None:
        running.call_soon(future.set_result, event)
        assert running is loop
        return await future
    return event if {name != "policy"} or running.mine else None
"""
    run = ours(write(tmp_path, app=source), Event('"mine"'), env={"PYTHONWARNINGS": "error::DeprecationWarning"})
    assert _bodies(run) == ["mine"]


def test_a_loop_that_user_code_closes_is_replaced(tmp_path: Path) -> None:
    source = """
import asyncio
async def work(): return len({id(loop) for loop in loops + [asyncio.get_running_loop()]})
loops = [asyncio.new_event_loop()]
asyncio.set_event_loop(loops[0])
def handler(event, context):
    if event == "close":
        loops[0].close()
    return work()
"""
    assert _bodies(ours(write(tmp_path, app=source), Event('""'), Event('"close"'))) == [1, 2]


def test_a_loop_that_user_code_stops_runs_again(tmp_path: Path) -> None:
    source = """
import asyncio
async def handler(event, context):
    if event == "stop":
        asyncio.get_running_loop().stop()
        await asyncio.sleep(3600)
    return event
"""
    run = ours(write(tmp_path, app=source), Event('"stop"'), Event('"go on"'))
    assert run.posts[0].json()["errorType"] == "RuntimeError"
    assert run.posts[1].json() == "go on"


def test_background_tasks_go_on_while_an_invocation_runs(tmp_path: Path) -> None:
    source = """
import asyncio
steps = []
async def background():
    while True:
        steps.append(len(steps))
        await asyncio.sleep(0)
async def handler(event, context):
    if event == 1:
        handler.task = asyncio.create_task(background())
    before = len(steps)
    while len(steps) < before + 3:
        await asyncio.sleep(0)
    return not handler.task.done()
"""
    run = ours(write(tmp_path, app=source), Event("1"), Event("2"))
    assert _bodies(run) == [True, True]


def test_context_variables_are_the_invocations_own(tmp_path: Path) -> None:
    source = """
import asyncio, contextvars
who = contextvars.ContextVar("who", default="nobody")
who.set("import")
async def handler(event, context):
    before = who.get()
    who.set(event)
    return [before, await asyncio.create_task(asyncio.sleep(0, who.get()))]
"""
    run = ours(write(tmp_path, app=source), Event('"a"'), Event('"b"'))
    assert _bodies(run) == [["import", "a"], ["import", "b"]]


def test_an_exception_is_reported_as_a_functions(tmp_path: Path) -> None:
    sync = "def deeper(event):\n    return 1 / event\ndef handler(event, context):\n    return deeper(event)"
    write(tmp_path, app=sync.replace("def", "async def").replace("return deeper", "return await deeper"), plain=sync)
    mine, plain = (ours(tmp_path, Event("0"), Event("1"), handler=f"{name}.handler") for name in ("app", "plain"))
    told, other = mine.posts[0].json(), plain.posts[0].json()
    assert told["errorMessage"] == other["errorMessage"] == "division by zero"
    assert len(told["stackTrace"]) == len(other["stackTrace"]) == 2
    assert all(str(tmp_path / "app.py") in line for line in told["stackTrace"])
    assert mine.posts[1].body == b"1.0"
    assert mine.stdout.startswith("[ERROR] ZeroDivisionError: division by zero\r")


def test_a_cancellation_is_the_invocations_error(tmp_path: Path) -> None:
    source = """
import asyncio
async def handler(event, context):
    if event:
        task = asyncio.create_task(asyncio.sleep(3600))
        asyncio.get_running_loop().call_soon(task.cancel)
        await task
    return "served"
"""
    run = ours(write(tmp_path, app=source), Event("1"), Event("0"))
    assert run.posts[0].json()["errorType"] == "CancelledError"
    assert "in handler" in run.posts[0].json()["stackTrace"][0]
    assert run.posts[1].json() == "served"


EXITS = ["import sys; sys.exit(7)", "import os; os._exit(9)", "raise KeyboardInterrupt", "raise BaseException('base')"]


@pytest.mark.parametrize("statement", EXITS)
def test_what_is_not_an_exception_ends_the_process(tmp_path: Path, statement: str) -> None:
    write(tmp_path, app=f"async def handler(event, context):\n    {statement}\n")
    write(tmp_path, plain=f"def handler(event, context):\n    {statement}\n")
    mine, plain = (ours(tmp_path, Event(), handler=f"{name}.handler") for name in ("app", "plain"))
    assert mine.posts == plain.posts == []
    assert mine.status == plain.status


def test_a_function_may_run_a_loop_of_its_own(tmp_path: Path) -> None:
    source = """
import asyncio, sys
async def work(event): return event
def handler(event, context): return asyncio.run(work(event))
"""
    run = ours(write(tmp_path, app=source), Event("1"), Event("2"))
    assert _bodies(run) == [1, 2]


def test_a_plain_function_does_not_pay_for_asyncio(tmp_path: Path) -> None:
    loaded = "sorted(name for name in sys.modules if 'asyncio' in name or name.startswith('_lambda_runtime'))"
    write(tmp_path, app=f"import sys\ndef handler(event, context): return {loaded}")
    (names,) = _bodies(ours(tmp_path, Event()))
    assert isinstance(names, list)
    lazy = {f"_lambda_runtime.{name}" for name in ("completion", "event_loop", "streaming", "response", "upload")}
    assert not [name for name in names if "asyncio" in name or name in lazy]


@pytest.mark.parametrize("name", ["asyncio", "select", "selectors", "socket", "queue", "typing"])
def test_a_file_called_like_the_librarys_does_not_break_coroutines(tmp_path: Path, name: str) -> None:
    write(tmp_path, **{name: "raise RuntimeError('the user\\'s own')"})
    write(tmp_path, app="async def handler(event, context): return [event]")
    assert _bodies(ours(tmp_path, Event("1"))) == [[1]]


def test_awslambdaric_does_not_serve_coroutines(tmp_path: Path) -> None:
    """Named difference."""
    write(tmp_path, app="async def handler(event, context): return 1")
    assert theirs(tmp_path, Event()).only.json()["errorType"] == "Runtime.MarshalError"
    assert ours(tmp_path, Event()).only.body == b"1"


def test_the_log_of_a_coroutine_names_its_request(tmp_path: Path) -> None:
    source = "import logging\nasync def handler(event, context): logging.warning('said')\n"
    run = ours(write(tmp_path, app=source), Event(), Event())
    assert [line.split("\t")[2][-1] for line in run.stdout.splitlines()] == ["0", "1"]
