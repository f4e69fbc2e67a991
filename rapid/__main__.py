"""The `rapid` command."""

from __future__ import annotations

import logging
import os
import sys
import time

from rapid import cli, early
from rapid.reading import SettingError
from rapid.settings import load

USAGE_ERROR = 2

_LEVELS = {"trace": 5, "debug": 10, "info": 20, "warn": 30, "warning": 30, "error": 40, "fatal": 50, "panic": 50}


def main() -> None:
    """Run the command line; exits with 0 after a shutdown that was asked for, 2 on wrong usage."""
    _open_standard_streams()
    early.listen()
    try:
        _main(os.path.basename(sys.argv[0]), sys.argv[1:])
    except SettingError as error:
        sys.stderr.write(f"rapid: {error}\n")
        sys.exit(USAGE_ERROR)


def _main(program: str, words: list[str]) -> None:
    arguments = cli.parse(words)
    if arguments.print_and_exit is not None:
        sys.stdout.write(arguments.print_and_exit)
        return
    command = cli.resolve(arguments.command)
    settings = load(program, arguments.flags, os.environ, command.handler)
    _log_to_stderr(settings.log_level)
    if arguments.snapshot_to is not None:
        from rapid import snapshotting

        sys.exit(snapshotting.run(settings, command, os.environ, arguments.snapshot_to))
    from rapid import app

    app.run(settings, command, os.environ)


def _open_standard_streams() -> None:
    """Give a closed standard stream a place that takes everything, so that no other file gets its number."""
    while (file := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(file, True)
    os.close(file)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def _log_to_stderr(level: str) -> None:
    """rapid's own log, in the form of the emulator's: `02 Jan 2006 15:04:05,000 [LEVEL] (rapid) text`."""
    formatter = logging.Formatter("%(asctime)s,%(msecs)03d [%(levelname)s] (rapid) %(message)s", "%d %b %Y %H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=_LEVELS[level], handlers=[handler])
    logging.getLogger("uvicorn").setLevel(max(_LEVELS[level], logging.WARNING))
    for name in ("asyncio", "httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)


if __name__ == "__main__":
    main()
