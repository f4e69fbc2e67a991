"""Every function of the corpus under this runtime and under awslambdaric: what they tell is equal to the byte."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.comparison import cases, differences, runs
from tests.comparison.cases import Case
from tests.comparison.runs import Run
from tests.comparison.told import told

CASES = cases.load()
ROWS = differences.load()


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_both_runtimes_tell_the_same(case: Case, tmp_path: Path) -> None:
    mine, other = _both(case, case.write(tmp_path))
    assert not case.answers or any(call.line.startswith(b"POST") for call in mine.calls), "nothing was answered"
    found = "\n".join(differences.unexplained(case.id, told(mine), told(other), ROWS))
    if found:
        pytest.fail(found, pytrace=False)


def _both(case: Case, task: Path) -> tuple[Run, Run]:
    """Both runs, at the same time, in one folder: stack traces tell its name."""
    result: list[Run] = []
    other = threading.Thread(target=lambda: result.append(runs.theirs(case, task)))
    other.start()
    mine = runs.ours(case, task)
    other.join()
    return mine, result[0]
