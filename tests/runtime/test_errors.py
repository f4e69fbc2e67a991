"""Errors of invocations: what the API and the log get when a handler raises."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runtime.harness import Event, assert_alike, both, ours, request_id, write

APP = """
class Quiet(Exception):
    def __str__(self): return ""
class NoText(Exception):
    def __str__(self): raise RuntimeError("no text")
class Outer:
    class Inner(ValueError): pass
def recurse(n):
    if n == 0: raise KeyError("deep down")
    recurse(n - 1)
def chained():
    try: {}["a"]
    except KeyError as error: raise ValueError("of another") from error
def throw(error): raise error
def noted():
    error = ValueError("noted")
    if hasattr(error, "add_note"): error.add_note("a note")
    raise error
def compiled():
    exec(compile("raise OSError(2, 'generated')", "<generated>", "exec"))
def handler(event, context):
    return eval(event)
"""

EXPRESSIONS = """
throw(ValueError("message"))
throw(ValueError())
throw(ValueError)
throw(Quiet())
throw(Outer.Inner("nested"))
throw(ValueError(1, "two"))
throw(KeyError("key"))
throw(OSError(2, "No such file", "x"))
throw(UnicodeDecodeError("utf-8", b"x", 0, 1, "why"))
throw(ValueError("two\\nlines\\r\\n  indented"))
throw(ValueError("é😀\\u2028"))
throw(ValueError("x" * 10_000))
throw(type("Ünïcode", (Exception,), {})("class name"))
throw(StopIteration(1))
throw(AssertionError())
1 / 0
undefined
recurse(3)
recurse(200)
chained()
noted()
compiled()
eval("(")
"a".b
None()
""".strip().splitlines()


def _event(expression: str) -> Event:
    return Event('"' + expression.replace("\\", "\\\\").replace('"', '\\"') + '"')


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_exception_is_reported_and_logged_as_aws_does(tmp_path: Path, expression: str) -> None:
    assert_alike(*both(write(tmp_path, app=APP), _event(expression)))


def test_non_ascii_messages_are_raw_where_aws_leaves_them_raw(tmp_path: Path) -> None:
    """Named difference: the cause header is always ASCII; its JSON is the same."""
    env = {"AWS_EXECUTION_ENV": "AWS_Lambda_python3.13"}
    mine, other = both(write(tmp_path, app=APP), _event("throw(ValueError('é😀'))"), env=env)
    assert mine.only.body == other.only.body
    assert "é😀".encode() in mine.only.body
    assert mine.only.headers["lambda-runtime-function-xray-error-cause"].isascii()


def test_the_error_type_is_sent_as_a_header_too(tmp_path: Path) -> None:
    run = ours(write(tmp_path, app=APP), _event("1 / 0"), _event("{1}"))
    types = [post.headers["lambda-runtime-function-error-type"] for post in run.posts]
    assert types == ["ZeroDivisionError", "Runtime.MarshalError"]


def test_a_class_name_cannot_break_the_headers(tmp_path: Path) -> None:
    write(tmp_path, app="def handler(event, context): raise type('A\\r\\nX: 1é', (Exception,), {})('\\ud800')")
    run = ours(tmp_path, Event(), Event())
    assert len(run.posts) == 2
    assert run.posts[0].headers["lambda-runtime-function-error-type"] == "A??X: 1?"
    assert "x" not in run.posts[0].headers
    assert run.posts[0].json()["errorMessage"] == "\ud800"
    assert "\\ud800" in run.stdout


def test_an_exception_whose_text_raises_does_not_end_the_loop(tmp_path: Path) -> None:
    run = ours(write(tmp_path, app=APP), _event("throw(NoText())"), _event("1"))
    assert run.posts[0].json()["errorMessage"] == "<NoText whose text cannot be made>"
    assert run.posts[1].body == b"1"


def test_a_cause_of_a_mebibyte_is_dropped(tmp_path: Path) -> None:
    mine, other = both(write(tmp_path, app=APP), _event("throw(ValueError('x' * 1024 * 1024))"))
    assert_alike(mine, other)
    assert not mine.only.headers.get("lambda-runtime-function-xray-error-cause")


def test_the_stack_trace_holds_no_frame_of_the_runtime(tmp_path: Path) -> None:
    write(tmp_path, app="handler = len")
    run = ours(tmp_path, Event())
    assert run.only.json() == {
        "errorMessage": "len() takes exactly one argument (2 given)",
        "errorType": "TypeError",
        "requestId": request_id(0),
        "stackTrace": [],
    }
