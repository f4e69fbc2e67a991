"""Results that are dataclasses or models, or hold some."""

from __future__ import annotations

from ..marshal import Encoder
from ..paths import library_module
from .models import dumped, is_model

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..marshal import JSONValue
    from .mismatch import Value

_ISO = frozenset({"datetime.datetime", "datetime.date", "datetime.time"})


class TypedEncoder(Encoder):
    """Writes what `readers` reads, too: dataclasses and models as objects, the others as the values they came from."""

    def encode(self, value: object) -> bytes:
        """As its base does."""
        try:
            return super().encode(value)
        except TypeError:  # there is something in it that is not JSON's
            return super().encode(_plain(value))


def _plain(value: Value) -> JSONValue:
    kind = type(value)
    if kind is dict:
        return {_plain(name): _plain(item) for name, item in value.items()}
    if kind in (list, tuple, set, frozenset):
        return [_plain(item) for item in value]
    if is_model(kind):
        return dumped(value)
    # The modules are asked for only by what they have made: until then, files of the user may have their names.
    if hasattr(kind, "__dataclass_fields__"):
        fields = library_module("dataclasses").fields(value)
        return {field.name: _plain(getattr(value, field.name)) for field in fields}
    if hasattr(kind, "__members__") and isinstance(value, library_module("enum").Enum):
        return _plain(value.value)
    name = f"{kind.__module__}.{kind.__qualname__}"
    if name in _ISO:
        return value.isoformat()
    return str(value) if name == "uuid.UUID" else value
