"""Randomness of its own for each process that a snapshot becomes.

What the kernel gives (`os.urandom`, `secrets`, `uuid.uuid4`) and what OpenSSL makes of it needs nothing. Generators
that the function has made itself are the function's: it may have seeded them.
"""

from __future__ import annotations

import sys

from ..paths import loaded_library_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MULTICAST = 1 << 40
"""Set in a node of `uuid` that is no hardware address but random (RFC 9562, 6.10)."""


def renew() -> None:
    """Seed anew what the libraries that are loaded share; what cannot be is said on standard error."""
    random: Any = loaded_library_module("random")
    if random is not None:
        random.seed()
    _renew_uuid()
    numpy: Any = sys.modules.get("numpy.random")
    if numpy is not None:
        try:
            numpy.seed()
        except Exception as error:  # its generator has been replaced by one that takes no seed
            sys.stderr.write(f"runtime: numpy.random is the same after every restore: it takes no new seed: {error}\n")


def _renew_uuid() -> None:
    """Have `uuid1`, and the others that tell times, not go on where the snapshot was.

    libuuid keeps a clock sequence, and the last time, for itself; without it `uuid1` takes a random sequence each time.
    """
    uuid: Any = loaded_library_module("uuid")
    if uuid is None:
        return
    if getattr(uuid, "_generate_time_safe", None) is not None:
        if uuid._node is None:
            uuid._node = uuid._unix_getnode() or uuid._random_getnode()
        uuid._generate_time_safe = None
    if uuid._node is not None and uuid._node & _MULTICAST:
        uuid._node = uuid._random_getnode()
    for name in ("_last_timestamp", "_last_timestamp_v6", "_last_timestamp_v7"):
        if hasattr(uuid, name):
            setattr(uuid, name, None)
