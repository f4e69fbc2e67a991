"""From an annotation to what reads a JSON value as it."""

from __future__ import annotations

from ..paths import library_module
from .mismatch import MismatchError, Reader, RefusedError, UnsupportedError, describe, mismatch
from .models import is_model, model_reader
from .scalars import anything, choice, member, scalar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from ..marshal import JSONValue
    from .mismatch import Annotation, Kind, Value

dataclasses: Any = library_module("dataclasses")
enum: Any = library_module("enum")
types: Any = library_module("types")
typing: Any = library_module("typing")
abc: Any = library_module("collections.abc")

_UNIONS = (typing.Union, types.UnionType)
_SEQUENCES: dict[Any, Callable[[list[Any]], Any]] = {
    list: list,
    abc.Sequence: list,
    abc.Iterable: list,
    abc.Collection: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
}
_MAPPINGS = (dict, abc.Mapping, abc.MutableMapping)


def is_typed(annotation: object) -> bool:
    """Whether there is a dataclass or a model in it: what the handler is to be given in the place of a dict."""
    annotation = _bare(annotation)
    if isinstance(annotation, type) and (dataclasses.is_dataclass(annotation) or is_model(annotation)):
        return True
    inner = typing.get_args(annotation)
    return any(map(is_typed, (typing.get_origin(annotation), *inner))) if inner else False


def _bare(annotation: Annotation) -> Annotation:
    """Without the names that `NewType`, `type …` and `Annotated` give to an annotation."""
    while True:
        if hasattr(annotation, "__supertype__"):
            annotation = annotation.__supertype__
        elif hasattr(annotation, "__metadata__"):
            annotation = annotation.__origin__
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        else:
            return annotation


def resolve(annotations: dict[str, Any], namespace: dict[str, Any] | None, owner: Kind = None) -> dict[str, Any]:
    """Annotations with the names in their strings looked up; of a class, when `owner` is one.

    Raises `UnsupportedError` when one of them is not there.
    """

    def carrier() -> None: ...

    carrier.__annotations__ = annotations
    try:
        hints: dict[str, Any] = typing.get_type_hints(owner or carrier, namespace)
    except Exception as error:
        where = f"{owner.__name__}: its annotations" if owner else f"the annotation {annotations['event']!r}"
        hint = "a name that is imported under TYPE_CHECKING is not there at run time"
        raise UnsupportedError(f"{where} cannot be resolved: {error} ({hint})") from None
    return hints


class Readers:
    """Makes readers, one for each dataclass, so that a dataclass may contain itself."""

    def __init__(self) -> None:
        self._known: dict[type, Reader] = {}

    def of(self, annotation: Annotation) -> Reader:
        """The reader of an annotation; raises `UnsupportedError`, whose text names it."""
        annotation = _bare(annotation)
        if annotation is None:
            annotation = type(None)
        if annotation is typing.Any:
            return anything()
        origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
        if origin is None and isinstance(annotation, type):
            return self._of_class(annotation)
        if origin is typing.Literal:
            return choice(inner)
        if origin in _UNIONS:
            return self._union(inner)
        if origin is tuple and inner[-1:] != (...,):
            return self._fixed(inner)
        if origin in _SEQUENCES:
            return self._sequence(origin, inner[0])
        if origin in _MAPPINGS:
            return self._mapping(*inner)
        if is_model(origin):
            return model_reader(annotation)
        raise UnsupportedError(f"{_name(annotation)} is not supported")

    def _of_class(self, kind: Kind) -> Reader:
        if is_model(kind):
            return model_reader(kind)
        if kind in self._known:
            return self._known[kind]
        if dataclasses.is_dataclass(kind):
            return self._dataclass(kind)
        if issubclass(kind, enum.Enum):
            return member(kind)
        if (reader := scalar(kind)) is not None:
            return reader
        if kind in _SEQUENCES:
            return self._sequence(kind, typing.Any)
        if kind in _MAPPINGS:
            return self._mapping(str, typing.Any)
        raise UnsupportedError(f"{_name(kind)} is not supported")

    def _dataclass(self, kind: Kind) -> Reader:
        expected = f"an object ({kind.__name__})"
        fields: list[tuple[str, Reader, bool]] = []

        def read(value: JSONValue) -> Value:
            if type(value) is not dict:
                raise mismatch(expected, value)
            arguments = {}
            for name, reader, required in fields:
                try:
                    if name in value:
                        arguments[name] = reader.read(value[name])
                    elif required:
                        raise MismatchError(reader.expected, "nothing")
                except MismatchError as error:  # noqa: PERF203 - the step is known here
                    error.steps.append(f".{name}")
                    raise
            return kind(**arguments)

        reader = self._known[kind] = Reader(expected, read)
        fields += self._fields(kind)
        return reader

    def _fields(self, kind: Kind) -> Iterator[tuple[str, Reader, bool]]:
        """Name, reader, and whether it must be there, of each field that is set from the event."""
        for name, field in kind.__dataclass_fields__.items():
            if field._field_type is dataclasses._FIELD_INITVAR:
                raise UnsupportedError(f"{kind.__name__}.{name}: InitVar is not supported")
        hints = resolve({}, None, kind)
        for field in dataclasses.fields(kind):
            if field.init:
                try:
                    reader = self.of(hints[field.name])
                except UnsupportedError as error:
                    raise UnsupportedError(f"{kind.__name__}.{field.name}: {error}") from None
                yield field.name, reader, field.default is field.default_factory is dataclasses.MISSING

    def _union(self, members: tuple[Any, ...]) -> Reader:
        others = [self.of(one) for one in members if one is not type(None)]
        nullable = len(others) < len(members)
        expected = " or ".join([*(one.expected for one in others), *["null"] * nullable])
        # The number that it is, before one that it can be turned into.
        exact = {int, float} & set(members)

        def read(value: JSONValue) -> Value:
            if (value is None and nullable) or type(value) in exact:
                return value
            failures = []
            for reader in others:
                try:
                    return reader.read(value)
                except MismatchError as error:  # noqa: PERF203 - the next is tried
                    failures.append(error)
            # The one that came furthest says what is wrong, or pydantic; of some that came nowhere, all.
            furthest = max(failures, key=lambda error: len(error.steps), default=None)
            if furthest is None or not (furthest.steps or (len(others) == 1 and isinstance(furthest, RefusedError))):
                raise mismatch(expected, value)
            raise furthest

        return Reader(expected, read)

    def _sequence(self, kind: Kind, item: Annotation) -> Reader:
        reader, make = self.of(item), _SEQUENCES[kind]

        def read(value: JSONValue) -> Value:
            return make(_items(value, "a list", [reader] * len(value) if type(value) is list else []))

        return Reader("a list", read)

    def _fixed(self, items: tuple[Any, ...]) -> Reader:
        readers = [self.of(item) for item in items if item != ()]  # before 3.11 tuple[()] holds a ()
        expected = f"a list of {len(readers)}"

        def read(value: JSONValue) -> Value:
            if type(value) is list and len(value) != len(readers):
                raise MismatchError(expected, f"one of {len(value)}")
            return tuple(_items(value, expected, readers))

        return Reader(expected, read)

    def _mapping(self, key: Annotation, item: Annotation) -> Reader:
        name, reader = self.of(key), self.of(item)
        if _bare(key) in (int, float, bool, type(None)):
            raise UnsupportedError(f"{_name(key)} as the key of a dict: in JSON these are strings")

        def read(value: JSONValue) -> Value:
            if type(value) is not dict:
                raise mismatch("an object", value)
            result = {}
            for text, one in value.items():
                try:
                    result[name.read(text)] = reader.read(one)
                except MismatchError as error:  # noqa: PERF203 - the step is known here
                    error.steps.append(f"[{describe(text).removeprefix('the string ')}]")
                    raise
            return result

        return Reader("an object", read)


def _items(value: JSONValue, expected: str, readers: list[Reader]) -> list[Any]:
    if type(value) is not list:
        raise mismatch(expected, value)
    result = []
    for number, reader in enumerate(readers):
        try:
            result.append(reader.read(value[number]))
        except MismatchError as error:  # noqa: PERF203 - the step is known here
            error.steps.append(f"[{number}]")
            raise
    return result


def _name(annotation: Annotation) -> str:
    if isinstance(annotation, type) and not typing.get_args(annotation):
        return f"{annotation.__module__}.{annotation.__qualname__}"
    return str(annotation)
