"""The page that a person reads: from facts to text, with files that are a dictionary."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

import pytest

from rapid.core.invocation import Invocation, Outcome
from rapid.telemetry.error_hints import About
from rapid.telemetry.error_page import EVENT_CHARACTERS, MAX_PARSED, Style, read_failure, render

APP = """\
RATES = {"EUR": 1}


def convert(price, currency):
    return price * RATES[currency]


def handler(event, context):
    return convert(**event)
"""
ABOUT = About("app.handler", "/var/task", ("/mine",), 3.0, 128)
FROZEN = '  File "<frozen importlib._bootstrap>", line 1204, in _gcd_import\n'
LIBRARY = '  File "/usr/lib/python3.13/json/decoder.py", line 5, in decode\n    raise\n'
PACKAGE = '  File "/var/task/site-packages/x/y.py", line 5, in z\n    raise\n'
HANDLER = '  File "/var/task/app.py", line 9, in handler\n    return convert(**event)\n'
CONVERT = '  File "/var/task/app.py", line 5, in convert\n    return price * RATES[currency]\n'


class Folder:
    """Files by path."""

    def __init__(self, **files: str) -> None:
        self.files = {f"/var/task/{name}.py": text.split("\n") for name, text in files.items()}

    def lines(self, path: str, numbers: Iterable[int]) -> Mapping[int, str]:
        text = self.files.get(path, [])
        return {number: text[number - 1] for number in numbers if 0 < number <= len(text)}

    def modules(self, folder: str) -> Sequence[str]:
        return sorted(path.rpartition("/")[2] for path in self.files)


def _outcome(error_type: str, message: str, trace: Sequence[str] = (), name: str = "stackTrace") -> Outcome:
    return Outcome(json.dumps({"errorType": error_type, "errorMessage": message, name: trace}).encode(), error_type)


def _page(outcome: Outcome, event: bytes | None = b"{}", style: Style | None = None, **files: str) -> str:
    invocation = None if event is None else Invocation("an-id", event, "arn", "Root=1")
    return render(read_failure(outcome), invocation, ABOUT, Folder(**files), style or Style(60))


def test_the_whole_page() -> None:
    page = _page(_outcome("KeyError", "'GBP'", [HANDLER, CONVERT]), b'{"price":1,"currency":"GBP"}', app=APP)
    assert page == (
        """\
── KeyError ────────────────────────────────────────────────

'GBP'

app.py, line 9, in handler
  > 9 │     return convert(**event)

app.py, line 5, in convert
    4 │ def convert(price, currency):
  > 5 │     return price * RATES[currency]

event
  {
    "price": 1,
    "currency": "GBP"
  }

request an-id
────────────────────────────────────────────────────────────
"""
    )


def test_frames_that_are_not_the_functions_are_left_out() -> None:
    page = _page(_outcome("E", "m", [FROZEN, HANDLER, PACKAGE, LIBRARY]), app=APP)
    assert "app.py, line 9" in page
    assert "decoder.py" not in page
    assert "y.py" not in page
    assert "frozen" not in page


def test_they_are_shown_where_there_are_no_others() -> None:
    assert "/usr/lib/python3.13/json/decoder.py, line 5, in decode\n  > 5 │ raise" in _page(
        _outcome("E", "m", [LIBRARY])
    )


def test_of_many_calls_the_last_are_shown() -> None:
    page = _page(_outcome("RecursionError", "m", [HANDLER] * 20 + [CONVERT]), app=APP)
    assert "… 16 calls before these" in page
    assert page.count("in handler") == 4


def test_a_line_whose_file_cannot_be_read_is_the_traces() -> None:
    assert "  > 5 │ return price * RATES[currency]\n" in _page(_outcome("E", "m", [CONVERT]))


def test_traces_of_other_languages_are_shown_as_they_are() -> None:
    page = _page(_outcome("Error", "boom", ["Error: boom", "    at handler (/var/task/index.js:3:9)"], "trace"))
    assert "Error: boom\n    at handler (/var/task/index.js:3:9)\n" in page


@pytest.mark.parametrize("payload", [b"not JSON", b"[1]", b"[" * 100_000, b"\xff"])
def test_an_answer_that_is_no_error_document_is_shown_as_it_is(payload: bytes) -> None:
    page = _page(Outcome(payload, "Function.Error"))
    assert page.startswith("── Function.Error ──")
    assert payload[:5].decode("utf-8", "replace") in page


def test_the_platforms_request_id_is_not_said_twice() -> None:
    page = _page(_outcome("Sandbox.Timedout", "RequestId: an-id Error: Task timed out after 3.00 seconds"))
    assert "\nTask timed out after 3.00 seconds\n" in page
    assert page.count("an-id") == 1


@pytest.mark.parametrize(
    "event",
    [
        json.dumps({"list": list(range(10_000))}).encode(),
        b'"' + b"x" * (MAX_PARSED + 1) + b'"',
        b'"' + b"x" * 6_000_000 + b'"',
        b'{"a": ' * 30_000,
    ],
)
def test_a_large_event_is_cut_and_says_so(event: bytes) -> None:
    page = _page(_outcome("E", "m"), event)
    shown = page.partition("event\n")[2].partition("\n  … ")[0]
    assert 0 < len(shown) < EVENT_CHARACTERS * 2
    assert f" more characters; the event has {len(event):,} bytes\n" in page


def test_nothing_steers_the_terminal() -> None:
    event = json.dumps({"a": "\x1b[2J\u202e\ud800\x07"}).encode()
    trace = [CONVERT.replace("price", "\x1b[1m")]
    page = _page(_outcome("E\x1b[0m", "m\x1b]0;title\x07", trace), event, app=APP.replace("price *", "'\x1b' *"))
    assert page.encode()
    assert {letter for letter in page if not letter.isprintable()} == {"\n"}
    assert r"m\x1b]0;title\x07" in page


def test_colours_are_only_around_text() -> None:
    plain = _page(_outcome("KeyError", "m", [HANDLER]), app=APP)
    coloured = _page(_outcome("KeyError", "m", [HANDLER]), style=Style(60, colours=True), app=APP)
    assert "\x1b[1;31m── KeyError" in coloured
    assert "".join(piece.partition("m")[2] for piece in ("\x1b[0m" + coloured).split("\x1b[")[1:]) == plain


HINTS = [
    (
        "Runtime.ImportModuleError",
        "Unable to import module 'ap': No module named 'ap'",
        "The handler is app.handler, but there is no ap.py. There is app.py.\nIt was looked for in:\n  /var/task  (",
    ),
    (
        "Runtime.ImportModuleError",
        "Unable to import module 'app': No module named 'requests.adapters'",
        "pip install --target /var/task requests, or\nput it into one of:\n  /var/task  (the function's folder)\n"
        "  /mine  (PYTHONPATH)\n",
    ),
    ("Runtime.ImportModuleError", "Unable to import module 'app': cannot import name 'x'", "did not start"),
    ("Runtime.HandlerNotFound", "Handler 'handle' missing on module 'app'", "Define handle in /var/task/app.py, or"),
    ("Runtime.MalformedHandlerName", "Bad handler 'x'", "A handler is named module.function"),
    ("Sandbox.Timedout", "Error: Task timed out after 3.00 seconds", "AWS_LAMBDA_FUNCTION_TIMEOUT sets"),
    ("Sandbox.Timedout", "Error: Init timed out after 10.00 seconds", "when it is imported"),
    ("Runtime.ExitError", "Error: Runtime exited with error: exit status 1", "left by itself"),
    ("Runtime.ExitError", "Error: Runtime exited with error: signal: killed", "by a signal"),
    ("Runtime.OutOfMemory", "Error: x", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE sets the memory that it may use; now 128 MB"),
    ("Runtime.InvalidEntrypoint", "Error: x", "could not be started"),
    ("Function.ResponseSizeTooLarge", "x", "6 MB"),
]


@pytest.mark.parametrize(("error_type", "message", "said"), HINTS)
def test_what_to_do_about_it(error_type: str, message: str, said: str) -> None:
    page = _page(_outcome(error_type, message), None, app=APP)
    assert said in page
    assert "The function did not start.\n" in page
    assert "event" not in page
