"""A function that does what its event asks for."""

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Event = dict[str, Any]


def echo(event: Event) -> Any:
    print(f"echo {event.get('say', '')}")
    return event


def fail(event: Event) -> Any:
    raise ValueError(event["say"])


def tell(_: Event) -> Any:
    return {
        "uid": os.getuid(),
        "gid": os.getgid(),
        "pid": os.getpid(),
        "cwd": os.getcwd(),
        "environ": dict(os.environ),
    }


def sleep(event: Event) -> Any:
    print(f"asleep {event.get('say', '')}", flush=True)
    time.sleep(event["seconds"])
    return "awake"


def leave(event: Event) -> Any:
    os._exit(event["status"])


def allocate(event: Event) -> Any:
    return len(bytearray(os.urandom(1024)) * 1024 * event["megabytes"])


def write(event: Event) -> Any:
    return Path(event["path"]).write_text(event["text"])


def read(event: Event) -> Any:
    return Path(event["path"]).read_text()


def orphan(_: Event) -> Any:
    """A process that leaves once it is process 1's child; answers with its id."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        grandchild = os.fork()
        if grandchild == 0:
            while os.getppid() != 1:
                time.sleep(0.001)
            os._exit(0)
        os.write(writer, str(grandchild).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        return int(pipe.read())


def states(_: Event) -> Any:
    """State letter by process id, as /proc has it: `Z` is one that has left and nobody has waited for."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has just gone
            found[path.parent.name] = path.read_text().rpartition(")")[2].split()[0]
    return found


ACTIONS: dict[str, Callable[[Event], Any]] = {
    action.__name__: action for action in (echo, fail, tell, sleep, leave, allocate, write, read, orphan, states)
}


def handler(event: Event, context: Any) -> Any:
    answer = ACTIONS[event.get("do", "echo")](event)
    return {"request": context.aws_request_id, "answer": answer}
