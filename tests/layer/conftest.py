"""The layer as it is built, and as Lambda unpacks it into /opt; the container engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.container.conftest import engine, pytest_collection_modifyitems
from tests.layer.building import build, unpack

__all__ = ["engine", "layer", "opt", "pytest_collection_modifyitems"]


@pytest.fixture(scope="session")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip."""
    return build(tmp_path_factory.mktemp("layer") / "layer.zip")[0]


@pytest.fixture(scope="session")
def opt(layer: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the layer puts into /opt."""
    return unpack(layer, tmp_path_factory.mktemp("opt"))
