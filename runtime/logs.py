"""The function's log: where records and errors go; output flushed at every write; `logging` made to write there.

`logging` costs 7 ms to import and many functions never do. Its set-up waits for whoever imports it first; nobody can
see the difference, because nobody can look at `logging` before.
"""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Protocol, TextIO

    class Sink(Protocol):
        """Takes log events. `frame_type` is for a sink that writes frames: the first four bytes of one."""

        def log(self, text: str, frame_type: bytes | None = None) -> None:
            """Write `text` as one event; records end in a newline."""

        def log_error(self, lines: list[str], frame_type: bytes | None = None) -> None:
            """Write the lines of an error, which have no ends yet, as one event."""

        def close(self) -> None:
            """Let go of what it writes to, if it is its own."""


_STANDARD_ERROR = 2
_FRAMED_LOG = "_LAMBDA_TELEMETRY_LOG_FD"


class Current:
    """The invocation that is being served; None before the first."""

    request_id: str | None = None
    tenant_id: str | None = None


current = Current()


class StandardSink:
    """Writes log events to standard output."""

    def log(self, text: str, frame_type: bytes | None = None) -> None:  # noqa: ARG002 - there are no frames here
        """Write `text` as it is; what the encoding of the stream does not have is written as escapes."""
        try:
            sys.stdout.write(text)
        except UnicodeEncodeError:
            encoding = sys.stdout.encoding
            sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))

    def log_error(self, lines: list[str], frame_type: bytes | None = None) -> None:  # noqa: ARG002
        """Write an error; its lines end in a carriage return, so that no log agent takes them apart.

        Where user code has closed standard output, or put something broken in its place, the error's place is standard
        error: not to be told of it would be worse, and so would be a loop that ends.
        """
        text = "\r".join(lines) + "\n"
        try:
            self.log(text)
        except Exception:
            try:  # noqa: SIM105 - contextlib costs a millisecond
                os.write(_STANDARD_ERROR, text.encode("utf-8", "backslashreplace"))
            except OSError:
                pass

    def close(self) -> None:
        """Nothing: standard output is everybody's."""


class Log:
    """How and where records and errors are written; as the environment says, once `set_up` has been called.

    `as_json`: `AWS_LAMBDA_LOG_FORMAT`. `level`: `AWS_LAMBDA_LOG_LEVEL` as `logging` would name it, "" if not given.
    https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html
    """

    as_json = False
    level = ""
    sink: Sink = StandardSink()

    def set_up(self, environ: MutableMapping[str, str]) -> None:
        """Read the environment; the framed log's variable is taken out of it, being no affair of user code."""
        self.as_json = environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"
        level = environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
        self.level = "DEBUG" if level == "TRACE" else level
        descriptor = environ.pop(_FRAMED_LOG, None)
        if descriptor is not None:
            self._write_frames_to(descriptor)

    def write_to(self, descriptor: int | None) -> None:
        """Leave the framed log, if there was one, for that of `descriptor`, or for standard output."""
        self.sink.close()
        self.sink = StandardSink()
        if descriptor is not None:
            self._write_frames_to(str(descriptor))

    def _write_frames_to(self, descriptor: str) -> None:
        from .frames import FramedSink

        try:
            self.sink = FramedSink(int(descriptor), self.sink)
        except (ValueError, OverflowError, OSError) as error:
            sys.stderr.write(f"runtime: {_FRAMED_LOG} is '{descriptor}': {error}; writing to standard output\n")


log = Log()


class FlushedText(TextIOWrapper):
    """A text stream that keeps nothing back: Lambda may freeze or kill the process at any time."""

    def write(self, text: str) -> int:
        """Write, and see that it has left."""
        written = super().write(text)
        self.flush()
        return written


flushed: list[FlushedText] = []
"""Those that `flush_each_write` has made."""


def flush_each_write() -> None:
    """Replace standard output and error by streams over the same files that flush at each write."""
    sys.stdout, sys.stderr = _flushed(sys.stdout), _flushed(sys.stderr)


def _flushed(stream: TextIO) -> TextIO:
    if not isinstance(stream, TextIOWrapper):
        return stream  # closed, or replaced before we were started
    text = FlushedText(stream.buffer, stream.encoding, stream.errors)
    # Were it forgotten (user code may assign sys.stdout) it would close the file under the interpreter's own stream.
    flushed.append(text)
    return text


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
