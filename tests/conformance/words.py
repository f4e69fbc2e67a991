"""Words in the texts of a transcript: `{id}` stands for what an earlier step has captured, or for a row's value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

WORD = re.compile(r"\{([a-z][a-z0-9_]*)\}")
"""A value that an earlier step has captured, or that a row gives."""

Words = Mapping[str, str]


class BadTranscript(Exception):
    """A transcript that says something the player does not understand."""


def fill_in(value: Any, words: Words, *, escape: bool = False) -> Any:
    """The value with each `{word}` replaced, in texts at any depth; `escape` makes them literal in an expression.

    Raises:
        BadTranscript: a word that has not been captured.
    """
    if isinstance(value, str):
        pattern = escape or value.startswith("~")
        return WORD.sub(lambda found: _word(found[1], words, pattern), value)
    if isinstance(value, Mapping):
        return {fill_in(key, words): fill_in(each, words) for key, each in value.items()}
    if isinstance(value, list):
        return [fill_in(each, words) for each in value]
    return value


def _word(name: str, words: Words, pattern: bool) -> str:
    if name not in words:
        raise BadTranscript(f"{{{name}}} has not been captured; there are {sorted(words)}")
    return re.escape(words[name]) if pattern else words[name]
