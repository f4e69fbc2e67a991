"""The examples of the documentation, as programs.

A page's fenced blocks say what they are in their info string: `python app.py` is a file, `sh` a script, `sh container`
one that needs a container engine; `text` right after a script is what it prints (`…` stands for anything).
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

from tests.support.program import ROOT, environ

MARK = "\n--- end of example ---\n"
PATIENCE = 300.0


@dataclass(frozen=True)
class Example:
    """One script of a page, and what it must print; None where the page does not say."""

    script: str
    expected: str | None
    container: bool


@dataclass(frozen=True)
class Page:
    """A page's files by name, and its scripts in order."""

    files: Mapping[str, str]
    examples: tuple[Example, ...]


def read(path: Path) -> Page:
    """The examples of a Markdown file."""
    files: dict[str, str] = {}
    examples: list[Example] = []
    blocks = [
        (token.info.split(), token.content) for token in MarkdownIt().parse(path.read_text()) if token.type == "fence"
    ]
    for (kind, content), following in zip(blocks, [*blocks[1:], ([], "")], strict=False):
        if kind in (["sh"], ["sh", "container"]):
            expected = following[1] if following[0] == ["text"] else None
            examples.append(Example(content, expected, kind == ["sh", "container"]))
        elif len(kind) == 2:
            files[kind[1]] = content
    return Page(files, tuple(examples))


def pages() -> Iterator[Path]:
    """Every page of the documentation."""
    yield from (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))


def matches(expected: str, printed: str) -> bool:
    """Whether what was printed is what the page shows."""
    pattern = ".*?".join(re.escape(piece) for piece in expected.strip().split("…"))
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


def run(examples: tuple[Example, ...], files: Mapping[str, str], folder: Path, tools: Path) -> list[str]:
    """Run scripts one after the other in one shell; what each printed.

    Standard error is included, but for that of container engines, which complain there of what is not the page's.

    Raises:
        AssertionError: one of them failed.
    """
    for name, content in files.items():
        folder.joinpath(name).write_text(content)
    script = f"printf %s '{MARK}'\n".join(example.script for example in examples)
    path = os.pathsep.join([str(tools), str(Path(sys.executable).parent), os.environ["PATH"]])
    shell = subprocess.Popen(
        ["bash", "-euc", script],
        cwd=folder,
        env=environ(PATH=path, RAPID_LOG_LEVEL="error"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if examples[0].container else subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        code = shell.wait(PATIENCE)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGTERM)  # what it left in the background
    printed, complaints = shell.communicate(timeout=30)
    assert code == 0, f"{printed}\n{complaints}"
    return printed.split(MARK)
