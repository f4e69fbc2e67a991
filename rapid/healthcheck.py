"""`python -m rapid.healthcheck`: does the server of this container answer? Exits with 0 or 1."""

from __future__ import annotations

import http.client
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from rapid import cli
from rapid.reading import Address, SettingError
from rapid.settings import RIE_NAME, load

ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
TIMEOUT = 2.0


def check(address: Address, path: str) -> str | None:
    """Why the server does not answer at its health path; None when it does."""
    connection = http.client.HTTPConnection(ANYWHERE.get(address.host, address.host), address.port, timeout=TIMEOUT)
    try:
        connection.request("GET", path)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"{address}: {error}"
    finally:
        connection.close()
    return None if status == 200 else f"{address}: HTTP status {status}"


def flags(command_line: bytes) -> Mapping[str, str]:
    """The flags that the container's first process was started with, if that is rapid (`/proc/1/cmdline`)."""
    words = command_line.decode("utf-8", "replace").rstrip("\0").split("\0")
    names = [os.path.basename(word) for word in words[:3]]  # python -I rapid
    program = next((name for name in ("rapid", RIE_NAME) if name in names), None)
    if program is None:
        return {}
    try:
        return cli.parse(words[names.index(program) + 1 :]).flags
    except SettingError:
        return {}


def first_process() -> bytes:
    """The command line of process 1, empty where it cannot be read."""
    try:
        return Path("/proc/1/cmdline").read_bytes()
    except OSError:
        return b""


def main(environ: Mapping[str, str]) -> int:
    """The exit code. Behind another Runtime API there is no server here, and nothing to find fault with."""
    if environ.get("AWS_LAMBDA_RUNTIME_API"):
        return 0
    settings = load("rapid", flags(first_process()), environ)
    problem = check(settings.invoke_address, settings.probes.health_path)
    if problem:
        sys.stderr.write(f"unhealthy: {problem}\n")
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main(os.environ))
