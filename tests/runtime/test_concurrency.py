"""Several invocations at once: that they run at the same time, each as if it were alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runtime.harness import write
from tests.runtime.several import MEET, PATIENCE, several

SYNC = MEET + "def handler(event, context):\n    meet()\n    return [event, context.aws_request_id, os.getpid()]\n"
ASYNC = SYNC.replace("def handler", "async def handler").replace("    meet()\n", "    await ameet()\n")
WAYS = [("processes", SYNC), ("threads", SYNC), ("tasks", ASYNC)]


@pytest.mark.parametrize(("way", "source"), [*WAYS, ("", SYNC), ("", ASYNC), ("processes", ASYNC), ("threads", ASYNC)])
def test_so_many_run_at_the_same_time(tmp_path: Path, way: str, source: str) -> None:
    write(tmp_path, app=source)
    with several(tmp_path, 4, meeting=4, RAPID_CONCURRENCY=way) as running:
        running.barrier.allow(3)
        for _ in range(3):
            calls = [running.api.invoke(number) for number in range(4)]
            results = [call.result() for call in calls]
            assert [result[:2] for result in results] == [[n, call.request_id] for n, call in enumerate(calls)]
            own_process = way == "processes" or (not way and source == SYNC)
            assert len({pid for *_, pid in results}) == (4 if own_process else 1)
        assert running.end() == -15
    assert running.output == ""


@pytest.mark.parametrize(("text", "count"), [("1", 1), ("3", 3), (" 2 ", 2), ("0_2", 2)])
def test_how_many_is_a_number_as_awslambdaric_reads_it(tmp_path: Path, text: str, count: int) -> None:
    write(tmp_path, app=MEET + "def handler(event, context):\n    meet()\n")
    for theirs in (False, True):
        with several(tmp_path, text, theirs=theirs, meeting=count) as running:
            running.api.wait_until_asked(count)
            calls = [running.api.invoke() for _ in range(count)]
            running.barrier.allow(1)
            for call in calls:
                call.result()
            running.api.wait_until_asked(count)
            assert len(running.api.kinds("GET")) == 2 * count


@pytest.mark.parametrize("text", ["", "0", "-1", "x", "1.5", "10001", "9" * 5000])
def test_what_is_no_such_number_is_refused(tmp_path: Path, text: str) -> None:
    write(tmp_path, app="def handler(event, context): pass\n")
    with several(tmp_path, text) as running:
        assert running.process.wait(PATIENCE) == 1
        assert running.api.requests == []
    expected = f"AWS_LAMBDA_MAX_CONCURRENCY is '{text}': a whole number from 1 to 10000 is expected"
    assert running.output == f"runtime: {expected}\n"


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("RAPID_CONCURRENCY", "fibers", "RAPID_CONCURRENCY is 'fibers': processes, threads or tasks is expected"),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "snap-start", "there is no SnapStart of several invocations at once"),
    ],
)
def test_what_does_not_go_with_it_is_refused(tmp_path: Path, variable: str, value: str, sentence: str) -> None:
    write(tmp_path, app="def handler(event, context): pass\n")
    with several(tmp_path, 2, env={variable: value}) as running:
        assert running.process.wait(PATIENCE) == 1
        assert running.api.requests == []
    assert sentence in running.output


def test_a_function_cannot_be_a_task(tmp_path: Path) -> None:
    write(tmp_path, app="def handler(event, context): pass\n")
    with several(tmp_path, 2, RAPID_CONCURRENCY="tasks") as running:
        assert running.process.wait(PATIENCE) == 1
        (error,) = running.api.requests
        assert error.kind == "init/error"
        sentence = "RAPID_CONCURRENCY is 'tasks', but the handler is no coroutine or asynchronous generator"
        assert error.json()["errorMessage"] == sentence


RUNS_A_LOOP = (
    MEET
    + """
import functools
def run(function):
    @functools.wraps(function)
    def handler(event, context):
        return asyncio.run(function(event, context))
    return handler
def hand_on(function):
    @functools.wraps(function)
    def handler(event, context):
        return function(event, context)
    return handler
async def plain(event, context):
    await ameet()
    return os.getpid()
running = run(plain)
handing = hand_on(plain)
class Callable:
    async def __call__(self, event, context):
        return await plain(event, context)
called = Callable()
partial = functools.partial(plain)
method = called.__call__
"""
)


@pytest.mark.parametrize(
    ("handler", "way", "processes"),
    [
        ("running", "", 2),
        ("handing", "", 2),
        ("handing", "tasks", 1),
        ("handing", "threads", 1),
        ("running", "threads", 1),
        ("called", "", 1),
        ("partial", "", 1),
        ("method", "", 1),
    ],
)
def test_what_a_decorator_has_made_of_a_coroutine(tmp_path: Path, handler: str, way: str, processes: int) -> None:
    write(tmp_path, app=RUNS_A_LOOP)
    with several(tmp_path, 2, f"app.{handler}", meeting=2, RAPID_CONCURRENCY=way) as running:
        running.barrier.allow(2)
        for _ in range(2):
            calls = [running.api.invoke() for _ in range(2)]
            assert len({call.result() for call in calls}) == processes


@pytest.mark.parametrize(("way", "source"), WAYS)
def test_each_answer_has_the_ids_of_its_invocation(tmp_path: Path, way: str, source: str) -> None:
    source = source.replace("os.getpid()]", "context.tenant_id, context.trace_id, os.environ.get('_X_AMZN_TRACE_ID')]")
    write(tmp_path, app=source)
    with several(tmp_path, 3, meeting=3, RAPID_CONCURRENCY=way) as running:
        running.barrier.allow(1)
        calls = [
            running.api.invoke(n, Invocation_Id=f"i{n}", Trace_Id=f"Root={n}", Aws_Tenant_Id=f"t{n}") for n in range(3)
        ]
        for n, call in enumerate(calls):
            answer = call.answer()
            # One process has one environment, which is nobody's where there are several.
            in_environ = f"Root={n}" if way == "processes" else None
            assert answer.json() == [n, call.request_id, f"t{n}", f"Root={n}", in_environ]
            assert answer.headers["lambda-runtime-invocation-id"] == f"i{n}"


def test_state_is_shared_by_tasks_and_threads_and_by_nobody_else(tmp_path: Path) -> None:
    source = (
        MEET
        + "count = 0\ndef handler(event, context):\n    global count\n    count += 1\n    meet()\n    return count\n"
    )
    asynchronous = source.replace("def handler", "async def handler").replace("    meet()", "    await ameet()")
    write(tmp_path, app=source, tasks=asynchronous)
    for way, handler, expected in [
        ("processes", "app.handler", [1, 1, 1]),
        ("threads", "app.handler", [3, 3, 3]),
        ("tasks", "tasks.handler", [3, 3, 3]),
    ]:
        with several(tmp_path, 3, handler, meeting=3, RAPID_CONCURRENCY=way) as running:
            calls = [running.api.invoke() for _ in range(3)]
            running.barrier.allow(1)
            assert [call.result() for call in calls] == expected


@pytest.mark.parametrize("pipelined", ["0", "1"])
@pytest.mark.parametrize(("way", "source"), WAYS)
def test_large_events_and_results(tmp_path: Path, way: str, source: str, pipelined: str) -> None:
    write(tmp_path, app=source)
    large = "x" * 3_000_000
    with several(tmp_path, 2, meeting=2, RAPID_CONCURRENCY=way, RAPID_RUNTIME_PIPELINE=pipelined) as running:
        running.barrier.allow(2)
        for _ in range(2):
            for call in [running.api.invoke(large) for _ in range(2)]:
                assert call.result()[0] == large


def test_events_are_read_as_types(tmp_path: Path) -> None:
    source = ASYNC.replace("(event,", "(event: Order,").replace("[event,", "[event.number,")
    write(tmp_path, app="import dataclasses\n@dataclasses.dataclass\nclass Order:\n    number: int\n" + source)
    with several(tmp_path, 2, meeting=2, RAPID_TYPED_EVENTS="on") as running:
        calls = [running.api.invoke({"number": number}) for number in range(2)]
        running.barrier.allow(1)
        results = [call.result() for call in calls]
        assert [result[0] for result in results] == [0, 1]
        assert results[0][2] == results[1][2]
