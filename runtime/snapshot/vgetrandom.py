"""The generator that the kernel has put into the process: where there is one, `getrandom` makes no system call.

https://docs.kernel.org/security/vgetrandom.html (Linux 6.11; used by glibc 2.41)

Its state is in pages that the kernel wipes at a fork. A process that comes from disk has them as ordinary memory: all
that are restored from it, and all their forks, would draw the same numbers, also for `os.urandom` and TLS. A state of
zeros is as good as none: the next number is asked of the kernel.
"""

from __future__ import annotations

from ..paths import library_module
from .messages import RefusedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_WIPED_AT_FORK = (b"wf", b"dp")
_MADV_WIPEONFORK = 18


class States:
    """Where the states are, in a process that is about to be written to disk.

    Raises `RefusedError` if there are some and there is no way to wipe them.
    """

    def __init__(self) -> None:
        self._areas = _areas()
        if self._areas:
            try:
                self._ctypes: Any = library_module("ctypes")
                self._madvise: Any = self._ctypes.CDLL(None, use_errno=True).madvise
            except (ImportError, OSError, AttributeError) as error:
                raise RefusedError(f"all that are restored would draw the same random numbers: {error}") from None

    def wipe(self) -> None:
        """Forget them; nothing may draw a number between here and the writing."""
        for start, length in self._areas:
            self._ctypes.memset(start, 0, length)

    def wipe_in_forks(self) -> None:
        """Have the kernel wipe them at each fork again; raises `RefusedError` if it does not."""
        for start, length in self._areas:
            address, size = self._ctypes.c_void_p(start), self._ctypes.c_size_t(length)
            if self._madvise(address, size, _MADV_WIPEONFORK):
                number = self._ctypes.get_errno()
                raise RefusedError(f"forks would draw the same random numbers: madvise fails with errno {number}")


def _areas() -> list[tuple[int, int]]:
    """The places of all states: start and length."""
    found, area = [], (0, 0)
    try:
        with open("/proc/self/smaps", "rb") as file:
            for line in file:
                word, *words = line.split()
                if word == b"VmFlags:" and all(flag in words for flag in _WIPED_AT_FORK):
                    found.append(area)
                elif not word.endswith(b":"):  # the first line of a mapping
                    start, _, end = word.partition(b"-")
                    area = int(start, 16), int(end, 16) - int(start, 16)
    except OSError:
        return []  # a kernel that tells nothing of the like
    return found
