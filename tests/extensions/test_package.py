"""The library as a package of its own: what it imports, and the commands that it brings."""

from __future__ import annotations

import ast
import importlib
import sys
from pathlib import Path

import pytest
import tomllib

from tests.support.program import ROOT

FOLDER = ROOT / "extensions"
FILES = sorted(FOLDER.rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Top-level packages that a file imports; those of its own package, which are relative, left out."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    from_ = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    return {name.partition(".")[0] for name in plain | from_} - sys.stdlib_module_names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_it_needs_httpx_and_only_otlp_needs_more(path: Path) -> None:
    more = {"opentelemetry"} if path.parent.name == "otlp" else set()
    assert imported(path) <= {"httpx"} | more


def test_its_commands_are_there() -> None:
    scripts: dict[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    ours = {name: target for name, target in scripts.items() if target.startswith("rapid_extensions.")}
    assert set(ours) == {"rapid-logs-file", "rapid-otlp"}
    for target in ours.values():
        module, _, function = target.partition(":")
        assert callable(getattr(importlib.import_module(module.replace("rapid_extensions", "extensions", 1)), function))
