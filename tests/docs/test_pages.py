"""What the documentation shows is what happens."""

from __future__ import annotations

import fcntl
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rapid.core.diagram import DIAGRAMS
from rapid.options import OPTIONS
from tests.support import pages
from tests.support.container import Engine
from tests.support.program import ROOT

ALL = [page for page in pages.pages() if page.parent.name == "docs"]
PLAIN = [page for page in ALL if any(not example.container for example in pages.read(page).examples)]
CONTAINER = [page for page in ALL if any(example.container for example in pages.read(page).examples)]

DOCKER = """\
#!/bin/sh
# Readers have docker; here is what the tests have in its place.
if [ "$1" = build ]; then shift; exec {build} "$@"; fi
exec {program} "$@"
"""


@pytest.fixture
def ports() -> Iterator[None]:
    """The examples use the ports that a reader would use, so that no two of them may run at the same time."""
    with Path(tempfile.gettempdir(), "rapid-documented-ports").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.mark.usefixtures("ports")
@pytest.mark.parametrize("path", PLAIN, ids=lambda path: path.stem)
def test_the_examples_of_a_page_print_what_it_shows(path: Path, tmp_path: Path) -> None:
    page = pages.read(path)
    examples = tuple(example for example in page.examples if not example.container)
    _compare(examples, pages.run(examples, page.files, tmp_path, tmp_path))


@pytest.mark.container
@pytest.mark.usefixtures("ports")
@pytest.mark.parametrize("path", CONTAINER, ids=lambda path: path.stem)
def test_the_container_examples_of_a_page_print_what_it_shows(
    path: Path, tmp_path: Path, engine: Engine, python: str
) -> None:
    engine.run("tag", python, "localhost/rapid:latest")
    docker = tmp_path / "tools" / "docker"
    docker.parent.mkdir()
    docker.write_text(DOCKER.format(build=" ".join(engine.builder()), program=engine.program))
    docker.chmod(0o755)
    page = pages.read(path)
    examples = tuple(example for example in page.examples if example.container)
    try:
        _compare(examples, pages.run(examples, page.files, tmp_path, docker.parent))
    finally:
        for name in re.findall(r"--name (\S+)", "".join(example.script for example in examples)):
            engine.remove(name)


def _compare(examples: tuple[pages.Example, ...], printed: list[str]) -> None:
    assert len(printed) == len(examples)
    for example, shown in zip(examples, printed, strict=True):
        if example.expected is not None:
            assert pages.matches(example.expected, shown), f"shown:\n{example.expected}\nprinted:\n{shown}"


@pytest.mark.parametrize("name", DIAGRAMS)
def test_the_diagrams_are_drawn_from_the_tables_that_run(name: str) -> None:
    text = (ROOT / "docs" / "lifecycle.md").read_text()
    shown = text.partition(f"<!-- diagram: {name} -->\n")[2].partition("<!-- end -->")[0]
    assert shown == f"```mermaid\n{DIAGRAMS[name]()}\n```\n"


def test_every_flag_and_its_variables_are_on_the_page_of_the_command() -> None:
    text = (ROOT / "docs" / "command.md").read_text()
    words = [word for option in OPTIONS.values() for word in (option.flag, *option.variables)]
    assert [word for word in words if not re.search(rf"`{word}[ `]", text)] == []


def test_every_link_between_pages_leads_somewhere() -> None:
    broken = [
        f"{page.name}: {target}"
        for page in pages.pages()
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert broken == []
