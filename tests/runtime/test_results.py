"""Results: what a handler returns, and what the Runtime API gets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.runtime.harness import Event, Run, both, ours, said, same_everywhere, write

APP = """
import collections, datetime, decimal, enum, json
D = decimal.Decimal
Point = collections.namedtuple("Point", "x y")
class Colour(enum.Enum): RED = 1
class Number(enum.IntEnum): ONE = 1
class Word(str, enum.Enum): A = "a"
class Text(str): pass
class Half(float):
    def __repr__(self): return "half"
class AsDict:
    def _asdict(self): return {"x": b"y"}
def circle():
    a = []
    a.append({"a": a})
    return a
def deep():
    a = []
    for _ in range(100_000): a = [a]
    return a
async def coroutine(): pass
def handler(event, context):
    return eval(event)
"""

EXPRESSIONS = """
None
True
0
-17
10**60
1.5
1e22
float("nan")
float("inf")
-float("inf")
""
"text"
"é\\u2028😀\\x7f\\x00\\n\\"</script>"
[]
{}
[1, [2, {"a": None}], "b"]
(1, 2, (3,))
{"statusCode": 200, "body": "hello"}
{1: 2, None: 3, True: 4, 1.5: 5, float("nan"): 6}
{b"key": b"value"}
{"b": "é".encode()}
[b"ab", {"k": (b"c",)}]
b"raw \\xff bytes"
b""
D("1.10")
D("1E+3")
D("NaN")
D("sNaN")
D("-NaN")
D("Infinity")
D("-Infinity")
[D("0.1"), "é", b"x", {"n": D(3)}]
Point(1, 2)
{"p": [Point(1, Point(2, b"3"))]}
AsDict()
collections.OrderedDict(a=1, b=D("2.0"))
collections.defaultdict(list, a=[1])
Number.ONE
Word.A
{Word.A: Number.ONE}
Text("t")
Half(0.5)
Colour.RED
{"a": Colour.RED}
{1, 2}
object()
circle()
datetime.date(2020, 1, 1)
{(1,): 1}
{D("1"): 1}
{"b": b"\\xff"}
bytearray(b"x")
[memoryview(b"x")]
range(3)
(x for x in [])
{}.keys()
print
D
1j
10**5000
collections.UserDict(a=1)
""".strip().splitlines()


@dataclass
class Batch:
    mine: Run
    other: Run


@pytest.fixture(scope="module", params=["AWS_Lambda_python3.11", "AWS_Lambda_python3.12"])
def batch(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Batch:
    """All expressions through one process of each runtime; the event is the expression, the result its value."""
    task = write(tmp_path_factory.mktemp("task"), app=APP)
    events = [Event(_quoted(expression)) for expression in EXPRESSIONS]
    return Batch(*both(task, *events, env={"AWS_EXECUTION_ENV": request.param}))


def _quoted(expression: str) -> str:
    return '"' + expression.replace("\\", "\\\\").replace('"', '\\"') + '"'


@pytest.mark.parametrize("number", range(len(EXPRESSIONS)), ids=EXPRESSIONS)
def test_a_result_is_sent_as_aws_sends_it(batch: Batch, number: int) -> None:
    assert said(batch.mine.posts[number]) == said(batch.other.posts[number])


def test_the_log_of_all_results_is_that_of_aws(batch: Batch) -> None:
    assert same_everywhere(batch.mine.stdout) == same_everywhere(batch.other.stdout)


def test_a_lone_surrogate_is_escaped_and_does_not_end_the_loop(tmp_path: Path) -> None:
    write(tmp_path, app="def handler(event, context): return '\\ud800é'")
    run = ours(tmp_path, Event(), Event(), env={"AWS_EXECUTION_ENV": "AWS_Lambda_python3.12"})
    assert [post.body for post in run.posts] == [b'"\\ud800\xc3\xa9"'] * 2


def test_a_very_deep_result_is_a_marshal_error(tmp_path: Path) -> None:
    write(tmp_path, app=APP)
    run = ours(tmp_path, Event('"deep()"'), Event('"1"'))
    assert run.posts[0].json()["errorType"] == "Runtime.MarshalError"
    assert run.posts[1].body == b"1"


def test_a_large_result_arrives_whole(tmp_path: Path) -> None:
    write(tmp_path, app="def handler(event, context): return 'x' * event")
    for pipeline in "01":
        run = ours(tmp_path, Event("5000000"), Event("7"), RAPID_RUNTIME_PIPELINE=pipeline)
        assert [len(post.body) for post in run.posts] == [5_000_002, 9]


@pytest.mark.parametrize(
    "body",
    ["", " ", " 1 ", "\t[1]\r\n", "{", "[1,]", "tru", "01", "NaN", '"\\x"', '{"a" 1}', "1 2", "[" * 100_000],
)
def test_a_faulty_event_is_an_unmarshal_error(tmp_path: Path, body: str) -> None:
    """Named difference: the sentence after "Unable to unmarshal input:" is the standard library's."""
    mine, other = both(write(tmp_path, app="def handler(event, context): return event"), Event(body), Event("2"))
    if mine.posts[0].kind.endswith("/error"):
        texts = [run.posts[0].json() for run in (mine, other)]
        sentences = [text.pop("errorMessage") for text in texts]
        assert all(
            re.match("Unable to unmarshal input: .*(line 1 column|recursion depth|not JSON)", said)
            for said in sentences
        )
        assert texts[0] == texts[1]
    else:
        assert said(mine.posts[0]) == said(other.posts[0])
    assert mine.posts[1].body == b"2"


@pytest.mark.parametrize("body", [b"\xef\xbb\xbf{}", b"\xff", b'{"a":"\xc3\xa9"}', b'"\\ud800"', b"1" * 5000])
def test_an_event_is_read_as_aws_reads_it(tmp_path: Path, body: bytes) -> None:
    mine, other = both(write(tmp_path, app="def handler(event, context): return event"), Event(body))
    assert said(mine.only) == said(other.only)


def test_an_event_of_another_content_type_is_handed_over_as_bytes(tmp_path: Path) -> None:
    write(tmp_path, app="def handler(event, context): return [type(event).__name__, len(event)]")
    events = [Event(b"\xff", content_type="application/octet-stream"), Event(b"x" * 200_000, content_type="text/plain")]
    mine, other = both(tmp_path, *events, Event("{}", content_type="application/json; charset=utf-8"))
    assert [post.body for post in mine.posts] == [b'["bytes", 1]', b'["bytes", 200000]', b'["bytes", 2]']
    assert [said(post) for post in mine.posts] == [said(post) for post in other.posts]
