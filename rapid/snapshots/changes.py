"""Whether the files of a function are still those that its template has loaded."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping

MOST_FILES = 10_000
"""Files below a task root that are looked at; of a larger one, those that come first."""

SKIPPED = frozenset({"__pycache__", "node_modules"})
"""Folders that are passed over, besides hidden ones: what is in them is made from the rest."""

Prints = Mapping[str, tuple[int, int]]
"""Path → size and time of the last change, ns; one that is not there has neither: -1 and 0."""


def prints(paths: Iterable[str]) -> dict[str, tuple[int, int]]:
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


def changed(before: Prints, root: str) -> str | None:
    """The first file that has changed, come or gone since; None when all is as it was.

    Args:
        before: how files stood.
        root: the task root; a file that has come into it counts as well.
    """
    for path, known in before.items():
        if _print(path) != known:
            return path
    return next((path for path in tree(root) if path not in before), None)


def _print(path: str) -> tuple[int, int]:
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
