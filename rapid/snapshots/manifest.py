"""What a snapshot on disk depends on, written beside it: it is of use only where all that is as it was."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rapid import __version__
from rapid.options import OPTIONS
from rapid.snapshots.changes import come

FORMAT = 1
MOST_HASHED = 64 * 1024 * 1024
"""Bytes of files whose contents count; of those beyond, size and time of the last change do."""

ELSEWHERE = frozenset(
    {
        "AWS_ACCESS_KEY_ID",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "HOSTNAME",
        "K_REVISION",
        "OLDPWD",
        "PORT",
        "PWD",
        "RAPID_HOST",
        "RAPID_LIBRARY_PATH",
        "RAPID_TEMPLATE_SOCKET",
        "SHLVL",
        "TERM",
        "_",
        "container",
        *(name for option in OPTIONS.values() for name in option.variables if name.startswith("RAPID_")),
    }
)
"""Variables that may have other values where the snapshot is restored; environments are given those."""

_LINKS = re.compile(r"[A-Z0-9_]+_(SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)")
_LINK = re.compile(r"(tcp|udp|sctp)://")
"""Variables, and values of variables `*_PORT`, by which Kubernetes tells of the services in a namespace."""


class NotGatherable(Exception):
    """Something that a snapshot depends on cannot be read; the text says what."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What must be as it was.

    Attributes:
        rapid: version.
        kernel: release.
        machine: architecture.
        user: numbers of user and group.
        handler: of the function.
        cwd: where the function works.
        cpu: what the processor can do, by the kernel's names.
        programs: path → size and time, of criu, the interpreter, and the libraries that are mapped into the process.
        files: path → digest, of what the function has loaded, and of what was in its task root before.
        variables: name → digest, of the variables it was given that count.
        others: names of those that do not.
        salt: of these digests.
    """

    rapid: str
    kernel: str
    machine: str
    user: str
    handler: str
    cwd: str
    cpu: Sequence[str]
    programs: Mapping[str, str]
    files: Mapping[str, str]
    variables: Mapping[str, str]
    others: Sequence[str]
    salt: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The file beside a snapshot.

    Attributes:
        images: name of the folder with criu's images.
        contents: their names → size and checksum.
        pid: number of the process.
        socket: where it listens.
        conditions: what must be as it was.
        format: of this file.
    """

    images: str
    contents: Mapping[str, str]
    pid: int
    socket: str
    conditions: Conditions
    format: int = field(default=FORMAT)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a snapshot is taken or restored.

    Attributes:
        criu: path of the program.
        handler: of the function.
        cwd: where the function works, and its task root.
        root: its task root.
        environ: the variables that its runtime is given.
    """

    criu: str
    handler: str
    cwd: str
    root: str
    environ: Mapping[str, str]


def gather(place: Place, pid: int, files: Iterable[str]) -> Conditions:
    """The conditions of a process that is about to be written to disk.

    Args:
        place: where that is.
        pid: its number.
        files: what the function has loaded, and what was in its task root before.

    Raises:
        NotGatherable: one of them cannot be read.
    """
    salt = secrets.token_hex(16)
    return Conditions(
        **_here(place),
        cpu=sorted(cpu_flags()),
        programs={path: _stamp(path) for path in (place.criu, *_mapped(pid))},
        files=_digests(dict.fromkeys(files)),
        variables={name: digest_of(salt, value) for name, value in place.environ.items() if counts(name, value)},
        others=[name for name, value in place.environ.items() if not counts(name, value)],
        salt=salt,
    )


def reasons(conditions: Conditions, place: Place) -> list[str]:
    """Why a snapshot is stale here, each in a few words; none when it is not."""
    found = [
        f"{what} was {getattr(conditions, what)!r} and is {here!r}"
        for what, here in _here(place).items()
        if getattr(conditions, what) != here
    ]
    missing = sorted(set(conditions.cpu) - cpu_flags())
    if missing:
        found.append(f"the processor has no {', '.join(missing)}")
    for path, known in conditions.programs.items():
        here = _stamp(path)
        if here != known:
            found.append(f"{path} is another" if os.path.exists(path) else f"{path} is not here")
    found += [f"{path} has changed" for path, known in conditions.files.items() if not _still(path, known)]
    found += [f"{path} has come" for path in come(conditions.files, place.root)]
    return found + _variables(conditions, place.environ)


def same_variables(conditions: Conditions, environ: Mapping[str, str]) -> dict[str, str | None]:
    """The variables that a restored process has: the value where it is as it was, None where it may be another."""
    kept = {
        name: value
        for name, value in environ.items()
        if conditions.variables.get(name) == digest_of(conditions.salt, value)
    }
    return dict.fromkeys((*conditions.others, *conditions.variables), None) | kept


def counts(name: str, value: str) -> bool:
    """Whether a variable must have the value that it had."""
    link = _LINKS.fullmatch(name) or (name.endswith("_PORT") and _LINK.match(value))
    return not (name in ELSEWHERE or name.startswith("AWS_CONTAINER_") or link)


def digest_of(salt: str, value: str) -> str:
    """A digest that tells nothing of a value."""
    return hashlib.sha256(f"{salt}{value}".encode("utf-8", "surrogateescape")).hexdigest()


def cpu_flags() -> set[str]:
    """What the processor can do."""
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return set(found[1].split()) if found else set()


def _here(place: Place) -> dict[str, str]:
    name = os.uname()
    return {
        "rapid": __version__,
        "kernel": name.release,
        "machine": name.machine,
        "user": f"{os.geteuid()}:{os.getegid()}",
        "handler": place.handler,
        "cwd": place.cwd,
    }


def _variables(conditions: Conditions, environ: Mapping[str, str]) -> list[str]:
    """Names of variables that are others; their values are nobody's business."""
    here = {name: digest_of(conditions.salt, value) for name, value in environ.items() if counts(name, value)}
    names = sorted({*here, *conditions.variables})
    return [
        f"the environment variable {name} {_how(conditions.variables.get(name), here.get(name))}"
        for name in names
        if conditions.variables.get(name) != here.get(name)
    ]


def _how(before: str | None, now: str | None) -> str:
    if before is None:
        return "has come"
    return "has another value" if now else "is missing"


def _mapped(pid: int) -> list[str]:
    """The interpreter and the libraries in a process."""
    try:
        lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    except OSError as error:
        raise NotGatherable(f"the memory of process {pid} cannot be looked at: {error.strerror}") from None
    fields = (line.split(None, 5) for line in lines)
    return sorted({each[5] for each in fields if len(each) == 6 and "x" in each[1] and each[5].startswith("/")})


def _stamp(path: str) -> str:
    try:
        status = os.stat(path)
    except OSError:
        return ""
    return f"{status.st_size} {status.st_mtime_ns}"


def _digests(paths: Iterable[str]) -> dict[str, str]:
    """Contents as long as there is room for them; libraries by size and time, for criu looks at those itself."""
    found, room = {}, MOST_HASHED
    for path in paths:
        size = _size(path)
        if path.endswith(".so") or size > room:
            found[path] = _stamp(path)
        else:
            room -= size
            found[path] = _content(path)
    return found


def _still(path: str, known: str) -> bool:
    return (_stamp(path) if " " in known or not known else _content(path)) == known


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _content(path: str) -> str:
    """The digest of a file; empty where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
