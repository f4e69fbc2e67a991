"""The kind of enumeration that tables are keyed by."""

from __future__ import annotations

from enum import Enum


class Word(Enum):
    """An `Enum` that is hashed by identity: its own hash is written in Python, and tables are read at every turn."""

    __hash__ = object.__hash__
