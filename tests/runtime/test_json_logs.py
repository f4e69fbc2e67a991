"""What the log holds in JSON and in frames: byte for byte what AWS's runtime writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.runtime.harness import Event, Run, assert_alike, both, both_framed, ours, request_id, same_everywhere, write
from tests.runtime.test_errors import APP, EXPRESSIONS
from tests.runtime.test_logs import LOGGING, SOURCES

JSON = {"AWS_LAMBDA_LOG_FORMAT": "JSON"}
BOTH: dict[str, Callable[..., tuple[Run, Run]]] = {"plain": both, "framed": both_framed}
FORMATS = {"text": {}, "text-level": {"AWS_LAMBDA_LOG_LEVEL": "INFO"}, "json": JSON}
WAYS = [(how, form) for how in BOTH for form in FORMATS if (how, form) != ("plain", "text")]

HEAD = """
import decimal, logging, datetime, enum
log = logging.getLogger("a.b")
class Quiet(Exception):
    def __str__(self): return ""
class Text:
    def __str__(self): return "as text"
    def __repr__(self): return "as code"
class Color(enum.IntEnum): RED = 1
def failed(error=ValueError("two\\nlines é")):
    try: raise error
    except Exception as caught: return caught
"""
STATEMENTS = r"""
log.error("plain %s", "é \u2028 \x7f \x00 \" \\ 😀")
log.error("two\nlines\r\n\tindented\n")
log.error("")
log.error(None)
log.error({"a": 1, "none": None, "nested": {"b": [1.5, None, True]}})
log.error({"a": "%s"}, "args")
log.error("%(a)s", {"a": 1})
log.error({})
log.error([1, 2])
log.error({"text": Text(), "time": datetime.date(2026, 1, 1), "decimal": decimal.Decimal("1.10"), "set": {1}})
log.error({"nan": float("nan"), "inf": -float("inf"), "big": 10**40, "enum": Color.RED, 1: None, None: 2, True: 3})
log.error("extra", extra={"user": "u", "none": None, "time": datetime.date(2026, 1, 1), "deep": {"a": [1]}})
log.error("extra of our names", extra={"requestId": "x", "level": "y", "tenantId": "z", "location": "w"})
log.error("extra of the filter's names", extra={"aws_request_id": "x", "tenant_id": "y"})
log.error("trace", exc_info=failed())
log.error("trace", exc_info=failed(Quiet()))
log.exception("no trace", exc_info=False)
log.critical("level")
log.warning("level")
log.info("level")
log.debug("level")
log.log(5, "level")
log.log(35, "level")
log.log(100, "level")
log.log(-5, "level")
logging.error("root")
print("printed", {"a": 1})
print('{"level": "INFO"}')
context.log("context é")
context.log("context\n")
context.log({"a": 1})
logging.addLevelName(35, "BETWEEN"); log.log(35, "named"); logging.addLevelName(30, "CAREFUL"); log.log(35, "named")
log.handle(logging.makeLogRecord({"msg": "made", "levelno": 40, "more": 1}))
""".strip().splitlines()
WHATEVER_IS_LOGGED = HEAD + "def handler(event, context): exec(event)\n"


def _exec(statement: str) -> Event:
    return Event(json.dumps(statement), headers={"Lambda-Runtime-Aws-Tenant-Id": "t"} if "tenant" in statement else {})


@pytest.mark.parametrize(("how", "form"), WAYS)
@pytest.mark.parametrize("level", ["", "TRACE"])
def test_every_record_is_that_of_aws(tmp_path: Path, how: str, form: str, level: str) -> None:
    env = {"AWS_LAMBDA_LOG_LEVEL": level, **FORMATS[form]}
    # As text, a stack holds the runtime's frames.
    statements = STATEMENTS + ["log.error('stack', stack_info=True)"] * (form == "json")
    events = [_exec(statement) for statement in statements]
    mine, other = BOTH[how](write(tmp_path, app=WHATEVER_IS_LOGGED), *events, env=env)
    assert_alike(mine, other)
    assert {post.body for post in mine.posts} == {b"null"}
    assert bool(mine.frames) == (how == "framed")


@pytest.mark.parametrize(("how", "form"), WAYS)
@pytest.mark.parametrize("name", SOURCES)
def test_the_log_is_that_of_aws(tmp_path: Path, how: str, form: str, name: str) -> None:
    events = Event(), Event(headers={"Lambda-Runtime-Aws-Tenant-Id": "t"})
    assert_alike(*BOTH[how](write(tmp_path, app=SOURCES[name]), *events, env=FORMATS[form]))


@pytest.mark.parametrize(("how", "form"), WAYS)
@pytest.mark.parametrize("environment", ["AWS_Lambda_python3.11", "AWS_Lambda_python3.13"])
def test_errors_are_logged_as_aws_does(tmp_path: Path, how: str, form: str, environment: str) -> None:
    env = {"AWS_EXECUTION_ENV": environment, **FORMATS[form]}
    events = [Event(json.dumps(expression)) for expression in (*EXPRESSIONS, "{1}")]
    mine, other = BOTH[how](write(tmp_path, app=APP), *events, env=env)
    for read in (lambda run: run.frames, lambda run: run.stdout, lambda run: [post.body for post in run.posts]):
        assert same_everywhere(str(read(mine))) == same_everywhere(str(read(other)))
    assert len(mine.posts) == len(events)


@pytest.mark.parametrize(("how", "form"), WAYS)
@pytest.mark.parametrize("handler", ["handler", "nowhere.handler", "app.missing", "sys.handler", "broken.handler"])
def test_errors_at_init_are_logged_as_aws_does(tmp_path: Path, how: str, form: str, handler: str) -> None:
    write(tmp_path, app="import logging\nlogging.error('first')", broken="def handler(event, context)\n    return 1\n")
    assert_alike(*BOTH[how](tmp_path, handler=handler, env=FORMATS[form]))


def test_an_exception_at_init_is_one_json_object(tmp_path: Path) -> None:
    """Field for field; the import system's frames in it differ from Python to Python."""
    write(tmp_path, app="def f():\n    raise LookupError('at import: é')\nf()\n")
    warning, error = zip(*(map(json.loads, run.stdout.splitlines()) for run in both(tmp_path, env=JSON)), strict=True)
    for fields in (*warning, *error):
        assert same_everywhere(fields.pop("timestamp")) == "<time>"
    for fields in error:
        fields["stackTrace"] = [entry for entry in fields["stackTrace"] if "importlib" not in entry]
        assert len(fields["stackTrace"]) == 2
    assert warning[0] == warning[1]
    assert list(error[0].items()) == list(error[1].items())


@pytest.mark.parametrize("form", ["JSON", "json", "Text", "", "XML"])
@pytest.mark.parametrize("level", ["", "debug", "WARN", "FATAL", "NONSENSE"])
def test_format_and_level_come_from_the_environment(tmp_path: Path, form: str, level: str) -> None:
    env = {"AWS_LAMBDA_LOG_FORMAT": form, "AWS_LAMBDA_LOG_LEVEL": level}
    assert_alike(*both_framed(write(tmp_path, app=LOGGING), Event(), env=env))


@pytest.mark.parametrize("place", ["append", "insert"])
def test_handlers_before_and_after_see_the_same_record(tmp_path: Path, place: str) -> None:
    source = f"""
import logging, sys
handler = logging.StreamHandler(sys.stdout)
handler.setFormatter(logging.Formatter("%(levelname)s %(levelno)s %(message)s %(asctime)s", "%Y"))
handlers = logging.getLogger().handlers
handlers.insert({0 if place == "insert" else 1}, handler)
def handler(event, context):
    logging.log(35, "between")
    return [type(handler).__name__ for handler in handlers]
"""
    assert_alike(*both_framed(write(tmp_path, app=source), Event(), env=JSON))


FAILING = r"""
log.error("%d", "x")
log.error({"a": 1}, "args")
log.error({("a", 1): 1})
log.error((lambda it: it.update(me=it) or it)({}))
""".strip().splitlines()


@pytest.mark.parametrize("statement", FAILING)
def test_a_record_that_cannot_be_written_raises_as_with_aws(tmp_path: Path, statement: str) -> None:
    task = write(tmp_path, app=WHATEVER_IS_LOGGED)
    mine, other = (run.only.json() for run in both(task, _exec(statement), env=JSON))
    assert (mine["errorType"], mine["errorMessage"]) == (other["errorType"], other["errorMessage"])


def test_what_aws_would_raise_for_is_logged(tmp_path: Path) -> None:
    """Named differences: no exception where one was to be told, one without a text, a surrogate."""
    statements = [
        "log.error('none', exc_info=True)",
        "log.error('no text', exc_info=failed(type('NoText', (Exception,), {'__str__': lambda self: 1 / 0})()))",
        "log.error('é \\ud800')",
    ]
    run = ours(write(tmp_path, app=WHATEVER_IS_LOGGED), *map(_exec, statements), env=JSON)
    assert [post.body for post in run.posts] == [b"null"] * 3
    none, no_text, surrogate = map(json.loads, run.stdout.splitlines())
    assert none.keys() == {"timestamp", "level", "message", "logger", "requestId"}
    assert no_text["errorMessage"] == "<NoText whose text cannot be made>"
    assert surrogate["message"] == "é \ud800"
    assert surrogate["requestId"] == request_id(2)


def test_a_user_module_called_json_or_traceback_does_not_change_the_log(tmp_path: Path) -> None:
    write(tmp_path, json="MINE = 1", traceback="MINE = 1", encodings="MINE = 1")
    source = "import json, traceback, logging\nassert json.MINE and traceback.MINE\n"
    write(tmp_path, app=source + HEAD.replace("datetime, ", "") + "def handler(event, context): exec(event)\n")
    run = ours(tmp_path, _exec("log.error({'a': 1}, exc_info=failed())"), _exec("1 / 0"), env=JSON)
    record, error = map(json.loads, run.stdout.splitlines())
    assert (record["message"], record["errorType"]) == ({"a": 1}, "ValueError")
    assert (error["errorType"], error["requestId"]) == ("ZeroDivisionError", request_id(1))
