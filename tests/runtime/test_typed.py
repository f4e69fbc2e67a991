"""RAPID_TYPED_EVENTS=on: events as the dataclasses and models of the handler's annotation, and such results."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.harness import PYTHON, Event, Run, ours, write

ON = {"RAPID_TYPED_EVENTS": "on"}
INVALID = "Runtime.EventValidationError"
UNSUPPORTED = "Runtime.UnsupportedEventType"
ORDER = """
from __future__ import annotations
import asyncio, datetime, decimal, enum, functools, uuid
from collections.abc import Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from typing import Annotated, Any, ClassVar, List, Literal, NewType, Optional, Union

class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"

@dataclass
class Item:
    sku: str
    count: int = 1

@dataclass
class Order:
    items: list[Item]
    size: Size | None = None
    note: str = "none"

def told(event): return [type(event).__name__, repr(event)]
"""
EVENT = json.dumps({"items": [{"sku": "a"}, {"sku": "b", "count": 2, "unknown": 1}], "size": "l", "other": True})
READ = "Order(items=[Item(sku='a', count=1), Item(sku='b', count=2)], size=<Size.LARGE: 'l'>, note='none')"

HANDLERS = {
    "function": "def handler(event: Order, context): return told(event)",
    "other name": "def handler(order: Order, _: LambdaContext): return told(order)",
    "optional": "def handler(event: Order | None, context): return told(event)",
    "annotated": "def handler(event: Annotated[Order, 'the order'], context): return told(event)",
    "coroutine": "async def handler(event: Order, context):\n    await asyncio.sleep(0)\n    return told(event)",
    "generator": "def handler(event: Order, context):\n    yield '[\"Order\", \"'\n    yield repr(event) + '\"]'",
    "async generator": "async def handler(event: Order, context):\n    yield '[\"Order\", \"' + repr(event) + '\"]'",
    "method": "class H:\n    def h(self, event: Order, context): return told(event)\nhandler = H().h",
    "object": "class H:\n    def __call__(self, event: Order, context): return told(event)\nhandler = H()",
    "partial": "def h(extra, event: Order, context): return told(event)\nhandler = functools.partial(h, 1)",
    "decorated": """
def decorator(function):
    @functools.wraps(function)
    def wrapper(*arguments): return function(*arguments)
    return wrapper
@decorator
def handler(event: Order, context): return told(event)
""",
}


def _run(task: Path, source: str, *events: str, **env: str) -> Run:
    return ours(write(task, app=ORDER + source), *map(Event, events), env=ON | env)


def _read_as(task: Path, annotation: str, *values: object, more: str = "") -> list[Any]:
    """What a field of that annotation is read as, or what is said of its value."""
    source = f"""
{more}
@dataclass
class Only:
    it: {annotation}
def handler(event: Only, context): return repr(event.it)
"""
    run = _run(task, source, *(json.dumps({"it": value}) for value in values))
    results = []
    for post in run.posts:
        answer = post.json()
        if isinstance(answer, dict):
            assert answer["errorType"] == INVALID, answer
            answer = (answer["errorMessage"],)
        results.append(answer)
    return results


@pytest.mark.parametrize("name", HANDLERS)
def test_the_annotation_of_the_event_is_honoured(tmp_path: Path, name: str) -> None:
    assert _run(tmp_path, HANDLERS[name], EVENT).only.json() == ["Order", READ]


def test_annotations_that_are_no_strings_are_honoured_alike(tmp_path: Path) -> None:
    source = ORDER.replace("from __future__ import annotations\n", "") + HANDLERS["function"]
    run = ours(write(tmp_path, app=source), Event(EVENT), env=ON)
    assert run.only.json() == ["Order", READ]


@pytest.mark.parametrize("env", [{}, {"RAPID_TYPED_EVENTS": "off"}])
def test_nothing_is_done_or_imported_unless_asked_for(tmp_path: Path, env: dict[str, str]) -> None:
    source = """
import sys
class Order: __annotations__ = {"items": list}
def handler(event: Order, context):
    ours = sorted(name for name in sys.modules if ".typed" in name)
    return [event, ours, sorted({"dataclasses", "typing", "inspect", "enum"} & set(sys.modules))]
"""
    run = ours(write(tmp_path, app=source), Event('{"a": 1}'), env=env)
    assert run.only.json() == [{"a": 1}, [], []]
    run = ours(
        write(tmp_path, app=ORDER + "def handler(event: Order, context): return Item('a')"), Event(EVENT), env=env
    )
    assert run.only.json()["errorType"] == "Runtime.MarshalError"


@pytest.mark.parametrize(
    "signature", ["event, context", "event: dict, context", "event: list[int], context", "event: Any, context", "*both"]
)
def test_an_event_of_no_dataclass_is_left_alone(tmp_path: Path, signature: str) -> None:
    source = f"def handler({signature}): return (both[0] if 'both' in locals() else event)"
    assert _run(tmp_path, source, '{"a": [1.0]}').only.json() == {"a": [1.0]}


def test_handlers_without_a_signature_are_left_alone(tmp_path: Path) -> None:
    run = _run(tmp_path, "handler = max", "[1]")
    assert run.only.json()["errorType"] == "TypeError"


def test_a_setting_besides_on_and_off_is_an_error_at_init(tmp_path: Path) -> None:
    run = _run(tmp_path, "def handler(event, context): pass", RAPID_TYPED_EVENTS="yes")
    assert run.only.kind == "init/error"
    assert run.only.json()["errorMessage"] == "RAPID_TYPED_EVENTS is 'yes': on or off"


READINGS: dict[str, list[tuple[object, object]]] = {
    "str": [
        ("a", "'a'"),
        (1, ("event.it: expected a string, found the number 1",)),
        (None, ("event.it: expected a string, found null",)),
    ],
    "int": [
        (1, "1"),
        (2.0, "2"),
        (1.5, ("event.it: expected an integer, found the number 1.5",)),
        (True, ("event.it: expected an integer, found true",)),
        ("1", ("event.it: expected an integer, found the string '1'",)),
    ],
    "float": [(1, "1.0"), (1.5, "1.5"), ("1", ("event.it: expected a number, found the string '1'",))],
    "bool": [(True, "True"), (1, ("event.it: expected true or false, found the number 1",))],
    "None": [(None, "None"), (0, ("event.it: expected null, found the number 0",))],
    "Any": [({"a": [1]}, "{'a': [1]}")],
    "object": [([1], "[1]")],
    "Optional[int]": [
        (None, "None"),
        (1, "1"),
        ("a", ("event.it: expected an integer or null, found the string 'a'",)),
    ],
    "int | str": [(1, "1"), ("a", "'a'"), ([], ("event.it: expected an integer or a string, found a list",))],
    "float | int": [(1, "1"), (1.0, "1.0")],
    "Union[list[int], Item]": [
        ([1], "[1]"),
        ({"sku": "a"}, "Item(sku='a', count=1)"),
        ({"sku": 1}, ("event.it.sku: expected a string, found the number 1",)),
        (["a"], ("event.it[0]: expected an integer, found the string 'a'",)),
    ],
    "list[int]": [([1, 2], "[1, 2]"), ({}, ("event.it: expected a list, found an object",))],
    "List[Item]": [([{"sku": "a"}], "[Item(sku='a', count=1)]")],
    "list": [([1, "a"], "[1, 'a']")],
    "Sequence[int]": [([1], "[1]")],
    "tuple[int, ...]": [([1, 2, 3], "(1, 2, 3)")],
    "tuple[int, Item]": [
        ([1, {"sku": "a"}], "(1, Item(sku='a', count=1))"),
        ([1], ("event.it: expected a list of 2, found one of 1",)),
        ([1, {}], ("event.it[1].sku: expected a string, found nothing",)),
    ],
    "set[int]": [([1, 1], "{1}")],
    "dict[str, Item]": [
        ({"a": {"sku": "b"}}, "{'a': Item(sku='b', count=1)}"),
        ({"a b": 1}, ("event.it['a b']: expected an object (Item), found the number 1",)),
    ],
    "Mapping[Size, int]": [({"s": 1}, "{<Size.SMALL: 's'>: 1}")],
    "dict": [({"a": 1}, "{'a': 1}")],
    "Literal['a', 1]": [
        ("a", "'a'"),
        (1, "1"),
        (True, ("event.it: expected one of 'a', 1, found true",)),
        ([], ("event.it: expected one of 'a', 1, found a list",)),
    ],
    "Size": [
        ("s", "<Size.SMALL: 's'>"),
        ("SMALL", ("event.it: expected Size: one of 's', 'l', found the string 'SMALL'",)),
        ([], ("event.it: expected Size: one of 's', 'l', found a list",)),
    ],
    "datetime.datetime": [
        ("2026-01-02T03:04:05Z", "datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)"),
        ("soon", ("event.it: expected a date and time in ISO 8601, found the string 'soon'",)),
        (1, ("event.it: expected a date and time in ISO 8601, found the number 1",)),
    ],
    "datetime.date": [("2026-01-02", "datetime.date(2026, 1, 2)")],
    "datetime.time": [("03:04", "datetime.time(3, 4)")],
    "decimal.Decimal": [
        (1.1, "Decimal('1.1')"),
        ("1.10", "Decimal('1.10')"),
        (3, "Decimal('3')"),
        ("x", ("event.it: expected a number, or a string of one, found the string 'x'",)),
    ],
    "uuid.UUID": [
        ("12345678-1234-5678-1234-567812345678", "UUID('12345678-1234-5678-1234-567812345678')"),
        ("1", ("event.it: expected a UUID, found the string '1'",)),
    ],
    "NewType('Name', str)": [("a", "'a'")],
    "str | None": [("x" * 70, "'" + "x" * 70 + "'"), ([], ("event.it: expected a string or null, found a list",))],
    "int | None": [("x" * 70, ("event.it: expected an integer or null, found the string '" + "x" * 59 + "…",))],
}


@pytest.mark.parametrize("annotation", READINGS)
def test_values_are_read_as_their_annotation(tmp_path: Path, annotation: str) -> None:
    values, expected = zip(*READINGS[annotation], strict=True)
    read = _read_as(tmp_path, annotation, *values)
    assert read == list(expected)


def test_numbers_beyond_a_float_are_refused(tmp_path: Path) -> None:
    source = "@dataclass\nclass Only:\n    it: float\ndef handler(event: Only, context): return 1"
    run = _run(tmp_path, source, '{"it": 1%s}' % ("0" * 400))
    assert "expected a number that is not beyond a float, found the number …" in run.only.json()["errorMessage"]


def test_dataclasses_may_contain_themselves(tmp_path: Path) -> None:
    source = """
@dataclass
class Node:
    name: str
    children: list[Node] = field(default_factory=list)
def handler(event: Node, context): return event.children[0].children[0].name
"""
    deep = {"name": "a", "children": [{"name": "b", "children": [{"name": "c"}]}]}
    wrong = {"name": "a", "children": [{"name": "b", "children": [{"name": 1}]}]}
    run = _run(tmp_path, source, json.dumps(deep), json.dumps(wrong))
    assert run.posts[0].json() == "c"
    assert run.posts[1].json() == {
        "errorType": INVALID,
        "errorMessage": "event.children[0].children[0].name: expected a string, found the number 1",
        "requestId": "00000000-0000-0000-0000-000000000001",
        "stackTrace": [],
    }


def test_what_a_dataclass_says_of_itself_holds(tmp_path: Path) -> None:
    """Fields that are not for init, class variables, keyword-only, frozen, inheritance, __post_init__."""
    source = """
@dataclass(frozen=True)
class Base:
    kind: ClassVar[str] = "base"
    a: int
@dataclass(frozen=True, kw_only=True)
class More(Base):
    b: int = 2
    c: int = field(init=False, default=3)
    def __post_init__(self):
        if self.a < 0: raise ValueError("a is negative")
def handler(event: More, context): return told(event)
"""
    run = _run(tmp_path, source, '{"a": 1, "c": 9, "kind": "x"}', '{"a": -1}')
    assert run.posts[0].json() == ["More", "More(a=1, b=2, c=3)"]
    error = run.posts[1].json()
    assert (error["errorType"], error["errorMessage"]) == ("ValueError", "a is negative")
    assert "__post_init__" in error["stackTrace"][-1]
    assert "typed" not in json.dumps(error["stackTrace"])


UNREADABLE = {
    "bytes": "Only.it: builtins.bytes is not supported",
    "Item | bytes": "Only.it: builtins.bytes is not supported",
    "dict[int, str]": "Only.it: builtins.int as the key of a dict: in JSON these are strings",
    "Literal[b'x']": "Only.it: Literal of b'x': only strings, numbers, booleans and None are in JSON",
    "InitVar[int]": "Only.it: InitVar is not supported",
    "Missing": "Only: its annotations cannot be resolved: name 'Missing' is not defined (",
}


@pytest.mark.parametrize("annotation", UNREADABLE)
def test_what_cannot_be_honoured_is_an_error_at_init(tmp_path: Path, annotation: str) -> None:
    source = f"@dataclass\nclass Only:\n    it: {annotation}\ndef handler(event: list[Only], context): pass"
    run = _run(tmp_path, source, "{}")
    error = run.only.json()
    assert (run.only.kind, error["errorType"]) == ("init/error", UNSUPPORTED)
    wanted = f"Cannot read the event as the handler's annotation: {UNREADABLE[annotation]}"
    assert error["errorMessage"].startswith(wanted)


def test_an_annotation_that_is_only_for_type_checkers_is_an_error_at_init(tmp_path: Path) -> None:
    run = _run(tmp_path, "def handler(event: Missing, context): pass", "{}")
    assert run.only.json()["errorMessage"] == (
        "Cannot read the event as the handler's annotation: the annotation 'Missing' cannot be resolved: "
        "name 'Missing' is not defined (a name that is imported under TYPE_CHECKING is not there at run time)"
    )


def test_bytes_are_no_object(tmp_path: Path) -> None:
    source = ORDER + "def handler(event: Order, context): pass"
    run = ours(write(tmp_path, app=source), Event(b"\x00", content_type="application/octet-stream"), env=ON)
    assert run.only.json()["errorMessage"] == r"event: expected an object (Order), found the bytes b'\x00'"


RESULTS = {
    "Order([Item('a')], Size.LARGE)": '{"items": [{"sku": "a", "count": 1}], "size": "l", "note": "none"}',
    "{'in': [Item('a'), (Item('b'),)]}": '{"in": [{"sku": "a", "count": 1}, [{"sku": "b", "count": 1}]]}',
    "{Size.SMALL: {Size.LARGE}}": '{"s": ["l"]}',
    "datetime.datetime(2026, 1, 2, 3, 4, 5)": '"2026-01-02T03:04:05"',
    "uuid.UUID(int=1)": '"00000000-0000-0000-0000-000000000001"',
    "[decimal.Decimal('1.10'), b'x', 1, None]": '[1.10, "x", 1, null]',
    "b'raw'": "raw",
}


@pytest.mark.parametrize("result", RESULTS)
@pytest.mark.parametrize("kind", ["def", "async def"])
def test_results_are_written_as_they_are_read(tmp_path: Path, result: str, kind: str) -> None:
    run = _run(tmp_path, f"{kind} handler(event, context): return {result}", "{}")
    assert run.only.body.decode() == RESULTS[result]


def test_a_result_that_has_no_json_is_a_marshal_error(tmp_path: Path) -> None:
    source = """
@dataclass
class Loop:
    me: Any = None
def handler(event, context):
    if event: return object()
    loop = Loop()
    loop.me = loop
    return loop
"""
    run = _run(tmp_path, source, "1", "0", "1")
    assert [post.json()["errorType"] for post in run.posts] == ["Runtime.MarshalError"] * 3


@pytest.mark.parametrize("loop", ["loop = []\n    loop.append(loop)", "loop = {}\n    loop['a'] = loop['b'] = loop"])
def test_a_result_that_contains_itself_is_a_marshal_error(tmp_path: Path, loop: str) -> None:
    run = _run(tmp_path, f"def handler(event, context):\n    {loop}\n    return loop", "1")
    assert run.only.json()["errorMessage"] == "Unable to marshal response: Circular reference detected"


def test_files_of_the_user_may_have_any_name(tmp_path: Path) -> None:
    names = ["typed", "readers", "models", "mismatch", "enum", "inspect", "pydantic"]
    write(tmp_path, **dict.fromkeys(names, "MINE = True\nclass BaseModel: pass"))
    plain = f"import {', '.join(names)}\ndef handler(event, context): return [pydantic.MINE, enum.MINE, inspect.MINE]"
    run = ours(write(tmp_path, app=plain), Event(EVENT), env=ON)
    assert run.only.json() == [True] * 3


PYDANTIC = """
from __future__ import annotations
import datetime, pydantic
from dataclasses import dataclass
from pydantic.dataclasses import dataclass as checked

class Item(pydantic.BaseModel):
    sku: str = pydantic.Field(min_length=1, alias="SKU")
    at: datetime.datetime | None = None

@checked
class Line:
    item: Item
    count: int = 1

@dataclass
class Plain:
    line: Line
    items: list[Item]
"""
AT = "2026-01-02T03:04:05Z"

with_pydantic = pytest.mark.skipif(sys.executable != PYTHON, reason="pydantic is where the tests run, not everywhere")


@with_pydantic
@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize(
    ("annotation", "event"),
    [
        ("Item", {"SKU": "a", "at": AT}),
        ("Line", {"item": {"SKU": "a", "at": AT}, "count": 2}),
        ("list[Item]", [{"SKU": "a", "at": AT}]),
        ("Plain", {"line": {"item": {"SKU": "a", "at": AT}, "count": 2}, "items": []}),
    ],
)
def test_pydantic_reads_and_writes_its_own(tmp_path: Path, kind: str, annotation: str, event: object) -> None:
    source = PYDANTIC + f"{kind} handler(event: {annotation}, context): return [type(event).__name__, event]"
    run = ours(write(tmp_path, app=source), Event(json.dumps(event)), env=ON)
    assert run.only.json() == [annotation.partition("[")[0], json.loads(json.dumps(event).replace("SKU", "sku"))]


@with_pydantic
@pytest.mark.parametrize("annotation", ["Exact", "Holder"])
def test_strict_models_take_what_json_has_for_a_type(tmp_path: Path, annotation: str) -> None:
    source = """
import datetime, enum, pydantic
from dataclasses import dataclass
class Colour(enum.Enum): RED = "r"
class Exact(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True)
    day: datetime.date
    colour: Colour
    sizes: tuple[int, ...]
@dataclass
class Holder:
    held: Exact
"""
    source += f"def handler(event: {annotation}, context): return event"
    good = {"day": "2026-01-02", "colour": "r", "sizes": [1, 2]}
    events = [good if annotation == "Exact" else {"held": good} for good in (good, good | {"sizes": ["1"]})]
    run = ours(write(tmp_path, app=source), *(Event(json.dumps(event)) for event in events), env=ON)
    assert run.posts[0].json() == events[0]
    assert "sizes.0\n  Input should be a valid integer" in run.posts[1].json()["errorMessage"]


@with_pydantic
def test_what_pydantic_refuses_is_told_in_its_words(tmp_path: Path) -> None:
    source = PYDANTIC + "def handler(event: Item | Plain, context): pass"
    write(tmp_path, app=source.replace("Item | Plain", "Item"), nested=source.replace("Item | Plain", "Plain"))
    error = ours(tmp_path, Event('{"SKU": ""}'), env=ON).only.json()
    assert (error["errorType"], error["stackTrace"]) == (INVALID, [])
    assert error["errorMessage"].startswith(
        "1 validation error for Item\nSKU\n  String should have at least 1 character"
    )
    event = '{"line": {"item": {"SKU": "a"}}, "items": [{}]}'
    error = ours(tmp_path, Event(event), handler="nested.handler", env=ON).only.json()
    assert error["errorMessage"].startswith("event.items[0]: 1 validation error for Item\nSKU\n  Field required")


def test_models_of_pydantic_1_are_refused_at_init(tmp_path: Path) -> None:
    source = "import pydantic\nclass Old(pydantic.BaseModel):\n    pass\ndef handler(event: Old, context): pass"
    shadow = "class BaseModel: pass"
    error = ours(write(tmp_path, app=source, pydantic=shadow), Event(), env=ON).only.json()
    assert (error["errorType"], "pydantic 1" in error["errorMessage"]) == (UNSUPPORTED, True)
