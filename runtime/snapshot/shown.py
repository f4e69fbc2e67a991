"""The variables that /proc shows of this process: those it was started with, whatever has been set since.

Whose a process is that has lost its parent can be told by them alone. Those of a fork would say: the template's.
"""

from __future__ import annotations

import os

_STAT, _ENVIRON, _MEMORY = "/proc/self/stat", "/proc/self/environ", "/proc/self/mem"
_ENV_START = 50 - 3  # of the fields behind the name, which is the second of all (proc_pid_stat(5))


def show(name: str, value: str) -> None:
    """Have /proc show another value of a variable; none if it is too long for the place. Does nothing where it cannot.

    The variable must have been set already: nobody reads the place but /proc.
    """
    try:
        with open(_STAT, "rb") as file:
            start = int(file.read().rpartition(b")")[2].split()[_ENV_START])
        with open(_ENVIRON, "rb") as file:
            block = file.read()
        begin = (b"\0" + block).find(b"\0" + name.encode() + b"=")
        if begin < 0:
            return
        room = block.index(b"\0", begin) - begin
        entry = f"{name}={value}".encode()
        memory = os.open(_MEMORY, os.O_RDWR)
        try:
            os.pwrite(memory, (entry if len(entry) <= room else b"").ljust(room, b"\0"), start + begin)
        finally:
            os.close(memory)
    except (OSError, ValueError, IndexError):
        return  # another kernel's /proc
