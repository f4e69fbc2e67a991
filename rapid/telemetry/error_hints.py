"""What to do about an error that the function's set-up has, rather than its code."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

MOST_NAMES = 8


@dataclass(frozen=True, slots=True)
class About:
    """The function that failed.

    Attributes:
        handler: `_HANDLER`, "" if it is not known.
        task_root: folder of its code.
        python_path: its `PYTHONPATH`, by folder.
        timeout: seconds.
        memory_mb: its memory size, MB.
    """

    handler: str
    task_root: str
    python_path: Sequence[str]
    timeout: float
    memory_mb: int


class Files(Protocol):
    """The function's files."""

    def lines(self, path: str, numbers: Iterable[int]) -> Mapping[int, str]:
        """Those of the lines that there are, counted from 1; empty when the file cannot be read."""

    def modules(self, folder: str) -> Sequence[str]:
        """Names of the Python files and folders in a folder, in order; empty when it cannot be read."""


def hint(error_type: str, message: str, about: About, files: Files) -> str:
    """A sentence or a few for the error; "" where there is nothing to say."""
    maker = _HINTS.get(error_type)
    return maker(message, about, files) if maker else ""


def _not_imported(message: str, about: About, files: Files) -> str:
    found = re.match(r"Unable to import module '(?P<module>.+?)': No module named '(?P<missing>[^']+)'", message)
    if not found:
        return ""
    module, missing = found["module"].replace("/", "."), found["missing"]
    searched = "\n".join(f"  {folder}" for folder in _searched(about))
    if module == missing or module.startswith(f"{missing}."):
        file = missing.replace(".", "/") + ".py"
        said = f"The handler is {about.handler or module}, but there is no {file}."
        return f"{said} {_there(about, files)}\nIt was looked for in:\n{searched}"
    package = missing.partition(".")[0]
    install = f"pip install --target {about.task_root} {package}"
    return f"{package} is not among the function's packages: {install}, or\nput it into one of:\n{searched}"


def _searched(about: About) -> list[str]:
    layers = ["/opt/python/lib/pythonX.Y/site-packages", "/opt/python"]
    path = [f"{folder}  (PYTHONPATH)" for folder in about.python_path]
    return [f"{about.task_root}  (the function's folder)", *path, *layers, "the packages of its interpreter"]


def _there(about: About, files: Files) -> str:
    names = files.modules(about.task_root)
    if not names:
        return f"There is no Python file in {about.task_root}."
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"There is {', '.join(names[:MOST_NAMES])}{more}."


def _not_found(message: str, about: About, _: Files) -> str:
    found = re.match(r"Handler '(?P<function>.+?)' missing on module '(?P<module>.+?)'", message)
    if not found:
        return ""
    file = found["module"].replace(".", "/") + ".py"
    return f"Define {found['function']} in {about.task_root}/{file}, or name another handler than {about.handler}."


def _malformed(*_: object) -> str:
    return "A handler is named module.function (app.handler), an application module:name (app:app)."


def _timed_out(message: str, about: About, _: Files) -> str:
    if message.startswith("Init"):
        return "What the function's module does when it is imported, and its extensions, take too long."
    return f"AWS_LAMBDA_FUNCTION_TIMEOUT sets the time that it may take; now {about.timeout:g} s."


def _exited(message: str, *_: object) -> str:
    if "signal" in message:
        return "The process was ended by a signal: by itself, by somebody else, or by a fault in native code."
    return "The process left by itself: sys.exit, os._exit, or an end of its main program."


def _no_memory(_: str, about: About, __: Files) -> str:
    return f"AWS_LAMBDA_FUNCTION_MEMORY_SIZE sets the memory that it may use; now {about.memory_mb} MB."


def _no_entrypoint(*_: object) -> str:
    return "The command that rapid was given could not be started."


def _too_large(*_: object) -> str:
    return "A response may have 6 MB. More can be streamed."


_HINTS: Mapping[str, Callable[[str, About, Files], str]] = {
    "Runtime.ImportModuleError": _not_imported,
    "Runtime.HandlerNotFound": _not_found,
    "Runtime.MalformedHandlerName": _malformed,
    "Sandbox.Timedout": _timed_out,
    "Runtime.ExitError": _exited,
    "Runtime.OutOfMemory": _no_memory,
    "Runtime.InvalidEntrypoint": _no_entrypoint,
    "Function.ResponseSizeTooLarge": _too_large,
}
