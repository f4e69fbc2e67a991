"""The extension `logs-file`: telemetry to rotating files, one JSON event per line.

Settings: `RAPID_LOGS_FILE_PATH`, `RAPID_LOGS_FILE_SIZE` (bytes of a file), `RAPID_LOGS_FILE_COUNT` (files, the one
that is written included), `RAPID_LOGS_FILE_TYPES`. It asks for SHUTDOWN alone, so it holds no invocation up.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from .client import Extension
from .rotating import RotatingFile
from .shipped import Settings, ShippedError, reported, run
from .telemetry import Buffering, TelemetryEvent

PREFIX = "RAPID_LOGS_FILE_"
PATH = "/tmp/rapid-logs/telemetry.ndjson"  # noqa: S108  the only folder that can be written to on AWS
SIZE = 10 * 1024 * 1024
COUNT = 5
BUFFERING = Buffering(timeout_ms=100)


class LogsFile:
    """The files, and what goes wrong with them as a sentence.

    Raises:
        ShippedError: a setting that cannot be used, or a file that cannot be written, now or in any call.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        settings = Settings(PREFIX, environ)
        self.types = settings.types()
        self._path = Path(settings.text("PATH", PATH))
        size, count = settings.number("SIZE", SIZE, least=1024), settings.number("COUNT", COUNT, least=1)
        try:
            self._file = RotatingFile(self._path, size, count)
        except OSError as error:
            raise self._failed(error) from None

    def take(self, batch: list[TelemetryEvent]) -> None:
        """Write a batch."""
        try:
            self._file.append([line(event) for event in batch])
        except OSError as error:
            raise self._failed(error) from None

    def close(self) -> None:
        """Have it all on the disk."""
        try:
            self._file.close()
        except OSError as error:
            raise self._failed(error) from None

    def _failed(self, error: OSError) -> ShippedError:
        reason = error.strerror or type(error).__name__
        return ShippedError("Extension.LogsFileNotWritable", f"{PREFIX}PATH {self._path} cannot be written: {reason}")


def line(event: TelemetryEvent) -> bytes:
    """An event as a line of JSON, readable as it stands."""
    try:
        return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can carry and UTF-8 cannot
        return json.dumps(event, separators=(",", ":")).encode() + b"\n"


async def work(name: str) -> None:
    """The extension from its registration to its end."""
    async with Extension.register(name, ["SHUTDOWN"]) as extension:
        async with reported(extension.init_error):
            files = LogsFile(os.environ)
        if not await extension.subscribe(files.types, files.take, buffering=BUFFERING):
            print(f"{name}: this environment has no telemetry, so nothing will be written", flush=True)
        async with reported(extension.exit_error):
            async for _ in extension.events():
                pass
            files.close()


def main() -> None:
    """The command `rapid-logs-file`."""
    sys.exit(run(work))


if __name__ == "__main__":
    main()
