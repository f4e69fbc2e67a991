"""Runs in a container: looks a name up with buffers of all sizes and alignments, with bytes around them that must stay.

The C library asks for a larger buffer when it is told ERANGE: that, or the right answer, and nothing between.
"""

import ctypes
import errno

SANDBOX = ctypes.CDLL("libnss_sandbox.so.2")
AF_INET, SUCCESS, TRY_AGAIN = 2, 1, -2
CANARY = b"\xa5"


class Host(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("aliases", ctypes.POINTER(ctypes.c_char_p)),
        ("family", ctypes.c_int),
        ("length", ctypes.c_int),
        ("addresses", ctypes.POINTER(ctypes.POINTER(ctypes.c_ubyte * 4))),
    )


def look_up(size: int, offset: int) -> bool:
    """True when it has been answered, False when the buffer was too small."""
    memory = ctypes.create_string_buffer(CANARY * 512, 512)
    host, error, host_error = Host(), ctypes.c_int(), ctypes.c_int()
    buffer = ctypes.c_void_p(ctypes.addressof(memory) + 64 + offset)
    pointers = (ctypes.byref(host), buffer, ctypes.c_size_t(size), ctypes.byref(error), ctypes.byref(host_error))
    status = SANDBOX._nss_sandbox_gethostbyname2_r(b"SANDBOX.localdomain", AF_INET, *pointers)
    before, after = memory.raw[: 64 + offset], memory.raw[64 + offset + size :]
    assert set(before) | set(after) == set(CANARY), (size, offset)
    if status == TRY_AGAIN:
        assert error.value == errno.ERANGE
        return False
    assert status == SUCCESS
    assert (host.name, host.family, host.length) == (b"sandbox.localdomain", AF_INET, 4)
    assert not host.aliases[0]
    assert bytes(host.addresses[0].contents) == bytes((127, 0, 0, 1))
    assert not host.addresses[1]
    return True


for offset in range(16):
    answers = [look_up(size, offset) for size in range(256)]
    assert answers == sorted(answers), "from some size on it is answered"
    assert not answers[0]
    assert answers[-1]
print("answered and refused")
