"""Several invocations at once: that they run at the same time, each as if it were alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runtime.harness import write
from tests.runtime.several import MEET, several

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
