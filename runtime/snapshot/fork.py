"""A new process out of a template: no child of it, so that whoever adopts orphans has it as its own."""

from __future__ import annotations

import os
import sys

from ..connection import split_address
from ..logs import log
from ..paths import library_module, loaded_library_module
from .messages import RefusedError
from .shown import show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .messages import Channel, Request
    from .output import Output

_ADDRESS = "AWS_LAMBDA_RUNTIME_API"
_TEMPORARY = "TMPDIR"
_FRAMED_LOG = "_LAMBDA_TELEMETRY_LOG_FD"


class Fork:
    """One request for a process: its environment, its working directory, its output and framed log.

    Raises `RefusedError` for a request that is none.
    """

    def __init__(self, request: Request) -> None:
        self._request = request
        self._changes = _changes_of(request.fields.get("environ"))
        self._cwd = _cwd_of(request.fields.get("cwd"))
        came = len(request.descriptors)
        if came not in (1, 2):
            raise RefusedError(f"with fork come 1 or 2 descriptors, output and framed log: there are {came}")

    def split(self, channel: Channel, output: Output) -> bool:
        """Fork twice; True in the new process, which has its output then.

        Raises `RefusedError` if the first fork fails; if the second does, the process between the two says so.
        """
        warnings: Any = library_module("warnings")
        with output, warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of threads: `describe` names them
            try:
                between = os.fork()
            except OSError as error:
                raise RefusedError(f"the template cannot be forked: {error}") from None
            if between:
                _collect(between)
                return False
            try:
                new = os.fork()
            except BaseException as error:
                channel.send({"error": f"the template cannot be forked: {error}"})
                os._exit(1)
            if new:
                os._exit(0)
        self._take_descriptors()
        return True

    def _take_descriptors(self) -> None:
        """Have them in their places, so that nothing of the template's is kept open here."""
        output, *framed = self._request.descriptors
        nothing = os.open(os.devnull, os.O_RDONLY)
        for descriptor, place in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(descriptor, place)
        os.close(nothing)
        os.close(output)
        self._request.descriptors.clear()
        log.write_to(framed[0] if framed else None)

    def wait_for_go(self, channel: Channel) -> None:
        """Tell that there is a process now, and wait to be wanted. If it is not, it ends here, in silence."""
        try:
            channel.wait_for_ever()
            channel.send({"pid": os.getpid()})
            word = channel.receive()
            if word is None:
                os._exit(0)
            word.close()
            if word.fields.get("do") != "go":
                raise RefusedError("a process that has been forked waits for go")
        except RefusedError as error:
            channel.send({"error": str(error)})
            os._exit(0)
        channel.close()

    def take_over(self) -> None:
        """Become the process that was asked for: a group of its own, its environment, its working directory."""
        os.setpgid(0, 0)
        if _TEMPORARY in self._changes:
            _forget_temporary_folder()
        for name, value in self._changes.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        show(_ADDRESS, os.environ[_ADDRESS])
        os.environ.pop(_FRAMED_LOG, None)
        if self._cwd is not None:
            try:
                os.chdir(self._cwd)
            except OSError as error:
                sys.stderr.write(f"runtime: the working directory stays that of the snapshot: {error}\n")


def _forget_temporary_folder() -> None:
    """Have `tempfile` ask again where temporary files go, unless the function has told it."""
    tempfile: Any = loaded_library_module("tempfile")
    if tempfile is not None and tempfile.tempdir == os.environ.get(_TEMPORARY, "/tmp"):  # noqa: S108
        tempfile.tempdir = None


def _collect(pid: int) -> None:
    """Wait for a child."""
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        return  # the function ignores SIGCHLD, or waits for whatever there is


def _changes_of(environ: object) -> dict[str, str | None]:
    if not isinstance(environ, dict) or not all(value is None or isinstance(value, str) for value in environ.values()):
        raise RefusedError("with fork comes environ, an object of names and values; null takes a variable away")
    for name, value in environ.items():
        if not name or "=" in name or "\0" in name or "\0" in (value or ""):
            raise RefusedError(f"{name!r} in environ: a name is not empty and has no '='; there is no NUL in either")
    address = environ.get(_ADDRESS)
    if not address:
        raise RefusedError(f"environ has no {_ADDRESS}: a fork has a Runtime API of its own")
    try:
        split_address(address)
    except ValueError as error:
        raise RefusedError(f"{_ADDRESS} in environ: {error}") from None
    return environ


def _cwd_of(folder: object) -> str | None:
    if folder is not None and (not isinstance(folder, str) or "\0" in folder):
        raise RefusedError(f"cwd is {folder!r}: the path of a folder was expected, or nothing")
    return folder
