"""A function whose init can be told from its restore: what init makes is the same in all that come out of it."""

import os
import random
import time
import uuid
from typing import Any

from snapshot_restore_py import (  # type: ignore[import-untyped]
    register_after_restore,
    register_before_snapshot,
)

if os.environ.get("FAIL"):
    raise RuntimeError("told to")
if os.environ.get("CONNECT"):
    import socket

    listener = socket.create_server(("127.0.0.1", 0))
    connection = socket.create_connection(listener.getsockname())

SNAPSHOT = str(uuid.uuid4())
hooks: list[str] = []
register_before_snapshot(hooks.append, "before")
register_after_restore(hooks.append, "after")


def drawn_by_a_child() -> str:
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(theirs, os.urandom(8))
        os._exit(0)
    os.waitpid(child, 0)
    return os.read(ours, 8).hex()


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    time.sleep(event.get("sleep", 0))
    return {
        "snapshot": SNAPSHOT,
        "random": random.random(),
        "urandom": os.urandom(8).hex(),
        "child": drawn_by_a_child(),
        "hooks": hooks,
        "hostname": os.environ["HOSTNAME"],
        "log stream": os.environ["AWS_LAMBDA_LOG_STREAM_NAME"],
        "variable": os.environ.get("VARIABLE"),
        "new": os.environ.get("RAPID_DRAIN_TIMEOUT"),
        "pid": os.getpid(),
    }
