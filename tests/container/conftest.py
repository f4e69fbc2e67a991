"""The engine, the images, and one function that most of these tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.container import Container, Engine, Images

FUNCTION = Path(__file__).parent / "function"
WATCH = Path(__file__).parent / "extension" / "watch.py"

DOCKERFILE = """
ARG BASE
FROM ${BASE}
COPY app.py ${LAMBDA_TASK_ROOT}
CMD ["app.handler"]
"""

WATCHED = """
ARG BASE
FROM ${BASE}
COPY --chmod=755 watch other /opt/extensions/
CMD ["app.handler"]
"""

BUILD_TIMEOUT = 900
"""Seconds that a test may take: the first that needs an image waits until it is built."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("container"):
            item.add_marker(pytest.mark.timeout(BUILD_TIMEOUT))


@pytest.fixture(scope="session")
def engine() -> Engine:
    found = Engine.find()
    if isinstance(found, str):
        pytest.skip(found)
    return found


@pytest.fixture(scope="session")
def images(engine: Engine, tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Images:
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "images"
    folder.mkdir(exist_ok=True)
    return Images(engine, folder)


@pytest.fixture(scope="session")
def python(images: Images) -> str:
    """Our image for functions in Python."""
    return images.ours("python")


@pytest.fixture(scope="session")
def provided(images: Images) -> str:
    """Our image for functions in any language."""
    return images.ours("provided")


@pytest.fixture(scope="session")
def function(images: Images, python: str) -> str:
    """`function/app.py` on our image."""
    return images.derive("function", python, {"Dockerfile": DOCKERFILE, "app.py": (FUNCTION / "app.py").read_text()})


@pytest.fixture(scope="session")
def watched(images: Images, function: str) -> str:
    """`function/app.py` with two extensions, `watch` and `other`, which are both `extension/watch.py`."""
    text = WATCH.read_text()
    return images.derive("watched", function, {"Dockerfile": WATCHED, "watch": text, "other": text})


@pytest.fixture(scope="module")
def served(engine: Engine, function: str) -> Iterator[Container]:
    """The function, running for all tests of a module that do it no harm."""
    with engine.running(function) as container:
        yield container
