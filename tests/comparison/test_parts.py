"""The comparison itself: it sees every difference, and every row of the table is still true of something."""

from __future__ import annotations

import ast
import re
from collections import Counter
from dataclasses import replace

import pytest

from tests.comparison import cases, differences
from tests.comparison.differences import Row, Seen
from tests.comparison.runs import Run
from tests.comparison.server import Call
from tests.comparison.told import frames, told
from tests.support.program import ROOT

RUN = Run(
    calls=[
        Call(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1", (b"Host: 127.0.0.1:1",), b""),
        Call(b"POST /2018-06-01/runtime/invocation/7/response HTTP/1.1", (b"Content-Type: a", b"X: 1"), b"body"),
    ],
    stdout=b"[INFO]\t2026-01-02T03:04:05.678Z\tout\n",
    stderr=b"err\n",
    framed=b"",
    status=1,
    address="127.0.0.1:1",
)


def _next_with(*headers: bytes) -> Run:
    return replace(RUN, calls=[replace(RUN.calls[0], headers=headers), RUN.calls[1]])


def _answer(**changes: object) -> Run:
    return replace(RUN, calls=[RUN.calls[0], replace(RUN.calls[1], **changes)])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("other", "part"),
    [
        (_answer(body=b"Body"), "response body"),
        (_answer(headers=(b"Content-Type: b", b"X: 1")), "response content-type"),
        (_answer(headers=(b"Content-Type: a",)), "response x"),
        (_answer(headers=(b"Content-Type: a", b"X: 1", b"X: 2")), "response x"),
        (_answer(line=b"POST /2018-06-01/runtime/invocation/8/response HTTP/1.1"), "calls"),
        (_answer(line=b"POST /2018-06-01/runtime/invocation/7/response HTTP/1.0"), "calls"),
        (_next_with(b"Host: 127.0.0.1:1", b"Accept: */*"), "next accept"),
        (replace(RUN, stdout=RUN.stdout + b" "), "stdout"),
        (replace(RUN, stdout=RUN.stdout.replace(b".678Z", b"Z")), "stdout"),
        (replace(RUN, stderr=b"err"), "stderr"),
        (replace(RUN, status=0), "exit"),
        (replace(RUN, framed=bytes.fromhex("a55a0003 00000001 0000000000000000 41")), "framed log"),
    ],
)
def test_a_difference_of_one_byte_is_seen(other: Run, part: str) -> None:
    (found,) = differences.unexplained("a.case", told(RUN), told(other), [])
    assert found.splitlines()[0] == part


@pytest.mark.parametrize(
    "other",
    [
        _answer(headers=(b"x:1", b"CONTENT-TYPE:  a", b"User-Agent: another", b"Content-Length: 4")),
        replace(_next_with(b"Host: 127.0.0.1:2"), address="127.0.0.1:2"),
        replace(RUN, stdout=RUN.stdout.replace(b"2026-01-02T03:04:05.678Z", b"2027-11-12T13:14:15.000Z")),
    ],
    ids=["headers", "port", "time"],
)
def test_what_cannot_be_equal_is_left_out(other: Run) -> None:
    assert list(differences.unexplained("a.case", told(RUN), told(other), [])) == []


def test_frames_are_read_one_by_one_and_a_time_that_is_not_now_is_shown() -> None:
    frame = bytes.fromhex("a55a0003 00000002 0000000000000001") + b"ab"
    assert frames(frame + frame) == [b"a55a0003 2 0000000000000001 ab"] * 2


def _row(*seen: Seen, not_yet: bool = False) -> list[Row]:
    return [Row("what", "theirs", "ours", "why", seen, not_yet)]


def test_a_row_excuses_what_it_names_and_nothing_else() -> None:
    other = told(replace(RUN, stderr=b"other", status=0))
    rows = _row(Seen(("a.*",), ("stderr",)))
    (found,) = differences.unexplained("a.case", told(RUN), other, rows)
    assert found.startswith("exit\n")
    assert len(list(differences.unexplained("b.case", told(RUN), other, rows))) == 2
    assert list(differences.unexplained("a.case", told(RUN), other, _row(Seen(("a.case",))))) == []


def test_a_row_excuses_only_values_such_as_it_says() -> None:
    other = told(replace(RUN, stderr=b"other\n"))
    assert list(differences.unexplained("a.b", told(RUN), other, _row(Seen(("a.b",), ours="e.*", theirs="o.*")))) == []
    assert len(list(differences.unexplained("a.b", told(RUN), other, _row(Seen(("a.b",), ours="e"))))) == 2


def test_a_row_that_is_no_longer_true_fails() -> None:
    (found,) = differences.unexplained("a.case", told(RUN), told(RUN), _row(Seen(("a.*",), ("stderr",))))
    assert "does not differ" in found
    (found,) = differences.unexplained("a.case", told(RUN), told(RUN), _row(Seen(("a.*",)), not_yet=True))
    assert "not there yet" in found


def test_every_row_names_a_case_of_the_corpus() -> None:
    ids = [case.id for case in cases.load()]
    lost = [
        pattern
        for row in differences.load()
        for seen in row.seen
        for pattern in seen.cases
        if not any(_names(pattern, id) for id in ids)
    ]
    assert lost == []


def _names(pattern: str, id: str) -> bool:
    return Seen((pattern,)).is_about(id, "stdout")


def test_the_corpus_is_what_it_says() -> None:
    found = cases.load()
    assert max(Counter(case.id for case in found).values()) == 1
    assert len({case.id.partition("[")[0] for case in found}) >= 80
    written = [name for file in cases.FUNCTIONS.glob("*.py") for name in _functions(file.stem, file.read_text())]
    assert set(written) <= {case.handler for case in found}


def _functions(module: str, source: str) -> list[str]:
    """Every function of a module that a caller could name as its handler."""
    names = [node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    return [f"{module}.{name}" for name in names if not name.startswith("_")]


def test_the_docs_show_the_table_with_a_line_for_each_row() -> None:
    page = (ROOT / "docs" / "runtime.md").read_text()
    shown = page.partition("<!-- table: differences -->\n")[2].partition("<!-- end -->")[0]
    assert shown == differences.markdown()
    lines = shown.splitlines()
    told_rows = [row for row in differences.load() if not row.not_yet]
    assert len(lines) == 2 + len(told_rows)
    assert all(re.fullmatch(r"\| [^|]+ \| [^|]+ \| [^|]+ \| [^|]+ \|", line) for line in lines[2:])
