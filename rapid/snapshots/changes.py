"""Whether the files of a function are still those that its template has loaded."""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Iterator, Mapping

MOST_FILES = 10_000
"""Files below a task root that are looked at; of a larger one, those that come first."""

SKIPPED = frozenset({"__pycache__", "node_modules"})
"""Folders that are passed over, besides hidden ones: what is in them is made from the rest."""

CODE = (".py", ".so")
"""Files that count also when they are new: one of them may be imported in another's place."""

Print = tuple[int, int]
"""Size of a file and time of its last change, ns; of one that is not there: -1 and 0."""

Prints = Mapping[str, Print | None]
"""Path → how a file stood; None for one that may change: the function has written it itself."""


def prints(paths: Iterable[str]) -> dict[str, Print]:
    """How those files stand now."""
    return {path: _print(path) for path in paths}


def tree(root: str) -> list[str]:
    """The files below a task root, in order of their names."""
    found: list[str] = []
    for path in _walk(root):
        found.append(path)
        if len(found) == MOST_FILES:
            break
    return found


def come(known: Container[str], root: str) -> list[str]:
    """Code that is in a task root and was not."""
    return [path for path in tree(root) if path.endswith(CODE) and path not in known]


def changed(before: Prints, root: str) -> str | None:
    """The first file that has changed, come or gone since; None when all is as it was.

    Args:
        before: how files stood.
        root: the task root.
    """
    for path, known in before.items():
        if known is not None and _print(path) != known:
            return path
    return next(iter(come(before, root)), None)


def _print(path: str) -> Print:
    try:
        status = os.stat(path)
    except OSError:
        return -1, 0
    return status.st_size, status.st_mtime_ns


def _walk(root: str) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in SKIPPED and not name.startswith("."))
        for name in sorted(files):
            if not name.endswith(".pyc"):
                yield os.path.join(folder, name)
