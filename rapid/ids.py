"""Ids that must be unique, not secret."""

from __future__ import annotations

import random
import time

_bits = random.Random(random.SystemRandom().getrandbits(256)).getrandbits  # noqa: S311  one seed from the system; a system call for each id costs more


def uuid4() -> str:
    """A UUID of version 4, as text."""
    digits = f"{_bits(128):032x}"
    variant = "89ab"[_bits(2)]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def trace_id() -> str:
    """A new root in X-Ray's form, not sampled."""
    return f"Root=1-{int(time.time()):08x}-{_bits(96):024x};Parent={_bits(64):016x};Sampled=0"
