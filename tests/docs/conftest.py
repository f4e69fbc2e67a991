"""The container fixtures, for the examples that need an engine."""

from __future__ import annotations

from tests.container.conftest import engine, images, pytest_collection_modifyitems, python

__all__ = ["engine", "images", "pytest_collection_modifyitems", "python"]
