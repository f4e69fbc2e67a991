"""The function's log: standard output, flushed at every write, and `logging` made to write to it.

`logging` costs 7 ms to import and many functions never do. Its set-up waits for whoever imports it first; nobody can
see the difference, because nobody can look at `logging` before.
"""

from __future__ import annotations

import sys
from io import TextIOWrapper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import TextIO


class Current:
    """The invocation that is being served; None before the first."""

    request_id: str | None = None
    tenant_id: str | None = None


current = Current()


class StandardSink:
    """Writes log events to standard output."""

    def log(self, text: str) -> None:
        """Write `text` as it is; what its encoding does not have is written as Python escapes."""
        try:
            sys.stdout.write(text)
        except UnicodeEncodeError:
            sys.stdout.write(text.encode("ascii", "backslashreplace").decode())


SINK = StandardSink()


class _FlushedText(TextIOWrapper):
    """A text stream that keeps nothing back: Lambda may freeze or kill the process at any time."""

    def write(self, text: str) -> int:
        written = super().write(text)
        self.flush()
        return written


_kept_open: list[TextIO] = []


def flush_each_write() -> None:
    """Replace standard output and error by streams over the same files that flush at each write."""
    sys.stdout, sys.stderr = _flushed(sys.stdout), _flushed(sys.stderr)


def _flushed(stream: TextIO) -> TextIO:
    if not isinstance(stream, TextIOWrapper):
        return stream  # closed, or replaced before we were started
    flushed = _FlushedText(stream.buffer, stream.encoding, stream.errors)
    # Were it forgotten (user code may assign sys.stdout) it would close the file under the interpreter's own stream.
    _kept_open.append(flushed)
    return flushed


def install() -> None:
    """Make `logging` write to the log: now if it has been imported already, else when somebody imports it."""
    if "logging" in sys.modules:
        _configure()
    else:
        sys.meta_path.insert(0, _LoggingFinder())


def _configure() -> None:
    from .log_handler import configure

    configure()


class _LoggingFinder:
    """Finds `logging`, once, in the standard library, whatever the user's files are called."""

    def find_spec(self, name: str, *_path_and_target: object) -> ModuleSpec | None:
        if name != "logging":
            return None
        sys.meta_path.remove(self)
        from .paths import LibraryOnly

        with LibraryOnly():
            from importlib.machinery import PathFinder

            spec = PathFinder.find_spec(name)
        if spec is not None and spec.loader is not None:
            spec.loader = _ConfiguringLoader(spec.loader)  # type: ignore[assignment]  # importlib asks for the methods only
        return spec


class _ConfiguringLoader:
    """Loads `logging` as its own loader does, and sets it up."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        from .paths import LibraryOnly

        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        with LibraryOnly():
            self._loader.exec_module(module)
        _configure()
