"""The command line: `rapid [flags] [--] COMMAND [ARGS…]`, as AWS's emulator takes it."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rapid import __version__
from rapid.options import OPTIONS, describe
from rapid.reading import SettingError

USAGE = (
    """\
usage: rapid [flags] [--] COMMAND [ARGS...]
       rapid snapshot --output FOLDER [flags] [--] COMMAND [ARGS...]

Serves one Lambda function: runs COMMAND as its runtime and answers the Lambda Invoke API.

COMMAND is an executable that speaks the Lambda Runtime API (python -m awslambdaric app.handler, a Go binary, a
bootstrap script ...) or a handler (app.handler, or app:app for an ASGI or WSGI application), which runs
on rapid's own Python runtime. With no COMMAND, the first of /var/runtime/bootstrap, /var/task/bootstrap,
/opt/bootstrap that exists.

`rapid snapshot` initialises the function and writes it to FOLDER, for --snapshot criu. (A program that is called
snapshot runs as `rapid -- snapshot`.)

Flags stand before or after COMMAND; each is also an environment variable.

"""
    + describe()
    + """

  --version                             print the version
  --help                                print this text

environment: AWS_LAMBDA_FUNCTION_TIMEOUT (seconds; 3), AWS_LAMBDA_FUNCTION_NAME (test_function),
AWS_LAMBDA_FUNCTION_VERSION ($LATEST), AWS_LAMBDA_FUNCTION_MEMORY_SIZE (MB; 3008), AWS_REGION (us-east-1),
AWS_ACCOUNT_ID, AWS_LAMBDA_INITIALIZATION_TYPE (on-demand or snap-start), AWS_LAMBDA_LOG_FORMAT (Text or JSON),
RAPID_SYSTEM_LOG_LEVEL (DEBUG, INFO or WARN; JSON only), _HANDLER
"""
)

BOOTSTRAPS = ("/var/runtime/bootstrap", "/var/task/bootstrap", "/opt/bootstrap")
"""Where a runtime is looked for when no command is given, in this order (AWS: "Custom runtimes")."""

SNAPSHOT = "snapshot"
OUTPUT = "--output"

_HANDLER = re.compile(r"[^\s\0:]*[^\s\0:./](\.[^\W\d]\w*|:[^\W\d]\w*(\.[^\W\d]\w*)*)")


@dataclass(frozen=True, slots=True)
class Arguments:
    """A parsed command line.

    Attributes:
        flags: flag → value.
        command: the words of COMMAND.
        print_and_exit: what --help or --version asks for.
        snapshot_to: the folder that `rapid snapshot` is to write to.
    """

    flags: Mapping[str, str] = field(default_factory=dict)
    command: Sequence[str] = ()
    print_and_exit: str | None = None
    snapshot_to: str | None = None


def parse(arguments: Sequence[str]) -> Arguments:
    """Flags may stand before or after the command; after `--` all words are the command's.

    Words behind the command that are not rapid's flags belong to the command, known to rapid or not. A first word
    `snapshot` asks for a snapshot; no handler reads like that.

    Raises:
        SettingError: an unknown flag before the command, a flag without a value, or one given twice.
    """
    if list(arguments[:1]) != [SNAPSHOT]:
        return _parse(arguments, tuple(OPTIONS))
    found = _parse(arguments[1:], (OUTPUT, *OPTIONS))
    if found.print_and_exit is not None:
        return found
    if OUTPUT not in found.flags:
        raise SettingError(f"rapid {SNAPSHOT} needs {OUTPUT}: the folder that the snapshot is written to")
    flags = {name: value for name, value in found.flags.items() if name != OUTPUT}
    return Arguments(flags, found.command, snapshot_to=found.flags[OUTPUT])


def _parse(arguments: Sequence[str], known: Sequence[str]) -> Arguments:
    flags: dict[str, str] = {}
    command: list[str] = []
    words = iter(arguments)
    for word in words:
        name, equals, value = word.partition("=")
        if word == "--":
            command.extend(words)
        elif name in known:
            if name in flags:
                raise SettingError(f"{name} is given twice")
            flags[name] = value if equals else next(words, "")
            if not flags[name]:
                raise SettingError(f"{name} needs a value")
        elif command:
            command.append(word)
        elif word in ("--help", "-h"):
            return Arguments(print_and_exit=USAGE)
        elif word == "--version":
            return Arguments(print_and_exit=f"rapid {__version__}\n")
        elif word.startswith("-"):
            raise SettingError(f"unknown flag {word}: expected one of {', '.join(known)}, --version, --help")
        else:
            command.append(word)
    return Arguments(flags, tuple(command))


@dataclass(frozen=True, slots=True)
class RuntimeCommand:
    """How the runtime is started.

    Attributes:
        words: the command, its first word an absolute path or looked up on PATH.
        cwd: its working directory.
        handler: `_HANDLER` for it, if the command tells one.
        environ: variables that this way of starting adds.
    """

    words: Sequence[str]
    cwd: str
    handler: str | None = None
    environ: Mapping[str, str] = field(default_factory=dict)


def resolve(command: Sequence[str]) -> RuntimeCommand:
    """What to run for COMMAND.

    Raises:
        SettingError: it is neither an executable nor a handler, or there is no command and no bootstrap.
    """
    try:
        here = os.getcwd()
    except FileNotFoundError:
        raise SettingError("the working directory does not exist any more") from None
    if not command:
        found = next((path for path in BOOTSTRAPS if Path(path).is_file()), None)
        if found is None:
            raise SettingError(f"no command is given and none of {', '.join(BOOTSTRAPS)} exists")
        task_root = "/var/task"
        return RuntimeCommand((_executable(found),), task_root if Path(task_root).is_dir() else here)
    word = command[0]
    if shutil.which(word):
        # AWS's emulator takes the last argument for the handler.
        return RuntimeCommand(tuple(command), here, command[-1] if len(command) > 1 else None)
    if Path(word).is_file():
        _executable(word)
    if len(command) == 1 and _HANDLER.fullmatch(word):
        return _handler(word, here)
    if _HANDLER.fullmatch(word):
        raise SettingError(f"{word!r} is no executable, and a handler takes no arguments: {' '.join(command[1:])!r}")
    raise SettingError(f"{word!r} is not an executable on PATH, nor does it read like a handler (module.function)")


def _executable(path: str) -> str:
    if not os.access(path, os.X_OK):
        raise SettingError(f"{path} is not executable: chmod +x {path}")
    return path


def _handler(handler: str, here: str) -> RuntimeCommand:
    """The image's own bootstrap where there is one, else ours on the present interpreter."""
    if Path(BOOTSTRAPS[0]).is_file():
        return RuntimeCommand((_executable(BOOTSTRAPS[0]), handler), here, handler)
    file = handler.partition(":")[0] if ":" in handler else handler.rpartition(".")[0]
    module = file.replace("/", ".")
    task_root = os.environ.get("LAMBDA_TASK_ROOT") or here
    if not _importable(module, task_root):
        raise SettingError(f"no file {file}.py in {task_root} for the handler {handler!r}")
    ours = {"RAPID_PYTHON": sys.executable, "LAMBDA_TASK_ROOT": task_root}
    return RuntimeCommand(("/bin/sh", str(own_bootstrap()), handler), here, handler, ours)


def _importable(module: str, root: str) -> bool:
    """Whether the module is a file or folder below `root`, or comes with an installed package."""
    path = Path(root, *module.split("."))
    if path.is_dir() or path.with_name(f"{path.name}.py").is_file():
        return True
    return importlib.util.find_spec(module.partition(".")[0]) is not None


def own_bootstrap() -> Path:
    """The `bootstrap` that starts our runtime: inside the wheel, or at the top of a checkout."""
    package = Path(__file__).parent
    shipped = package / "_bootstrap" / "bootstrap"
    return shipped if shipped.is_file() else package.parent / "bootstrap"
