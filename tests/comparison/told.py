"""What a run told the server, the log and the system, in parts that can be compared byte for byte.

Left out is only what cannot be equal: the order and the case of headers, `User-Agent`, `Content-Length`, the server's
port, times in log lines (their form stays), and the order of `paths` in the X-Ray cause, which awslambdaric takes from
a set.
"""

from __future__ import annotations

import re
import time

from tests.comparison.runs import Run
from tests.comparison.server import Call

_LOG_TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z")
_CAUSE_PATHS = re.compile(rb'("paths": \[)(.*)(\]\}$)')
_KINDS = re.compile(r"invocation/[^/]+/(response|error)$")
_DAY_IN_MICROSECONDS = 86_400_000_000


def told(run: Run) -> dict[str, tuple[bytes, ...]]:
    """The parts of a run: `calls`, `<kind> body`, `<kind> <header>` for each kind of call, `stdout`, `stderr`,
    `framed log`, `exit`. A kind is `next`, `response`, `error`, `init/error`, `restore/next`, `restore/error`; its
    parts hold one value for each call."""
    parts: dict[str, tuple[bytes, ...]] = {"calls": tuple(call.line for call in run.calls)}
    kinds: dict[str, list[Call]] = {}
    for call in run.calls:
        kinds.setdefault(_kind(call), []).append(call)
    for kind, calls in kinds.items():
        parts[f"{kind} body"] = tuple(_without_address(call.body, run) for call in calls)
        headers = [_headers(call, run) for call in calls]
        for name in {name for those in headers for name in those}:
            parts[f"{kind} {name}"] = tuple(those.get(name, b"") for those in headers)
    parts["stdout"] = (_without_times(_without_address(run.stdout, run)),)
    parts["stderr"] = (_without_times(_without_address(run.stderr, run)),)
    parts["framed log"] = tuple(_without_times(_without_address(frame, run)) for frame in frames(run.framed))
    parts["exit"] = (str(run.status).encode(),)
    return parts


def frames(data: bytes) -> list[bytes]:
    """The frames of a framed log, `<type in hexadecimal> <length> <message>`; a time that is not now is kept."""
    found = []
    while data:
        end = 16 + int.from_bytes(data[4:8], "big")
        about_now = abs(int.from_bytes(data[8:16], "big") - time.time_ns() // 1000) < _DAY_IN_MICROSECONDS
        moment = b"" if about_now else data[8:16].hex().encode() + b" "
        found.append(b"%s %d %s%s" % (data[:4].hex().encode(), end - 16, moment, data[16:end]))
        data = data[end:]
    return found


def _kind(call: Call) -> str:
    path = call.path.partition(" ")[2]
    answer = _KINDS.match(path)
    return answer[1] if answer else path.removeprefix("invocation/")


def _headers(call: Call, run: Run) -> dict[str, bytes]:
    headers: dict[str, bytes] = {}
    for line in call.headers:
        name, _, value = line.partition(b":")
        key = name.decode("latin-1").lower()
        value = _without_address(value.strip(), run)
        headers[key] = headers[key] + b", " + value if key in headers else value
    headers.pop("user-agent", None)
    headers.pop("content-length", None)  # with it the body was read; it cannot be another's
    cause = "lambda-runtime-function-xray-error-cause"
    if cause in headers:
        headers[cause] = _CAUSE_PATHS.sub(_sorted_paths, headers[cause])
    return headers


def _sorted_paths(match: re.Match[bytes]) -> bytes:
    return match[1] + b", ".join(sorted(match[2].split(b", "))) + match[3]


def _without_address(text: bytes, run: Run) -> bytes:
    return text.replace(run.address.encode(), b"<address>")


def _without_times(text: bytes) -> bytes:
    return _LOG_TIME.sub(lambda match: b"0000-00-00T00:00:00" + (b".000Z" if match[1] else b"Z"), text)
