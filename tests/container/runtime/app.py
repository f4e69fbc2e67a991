"""What the Python runtime offers beyond plain functions: a handler for each, used in containers."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import threading
import uuid
from dataclasses import dataclass
from typing import Any

from snapshot_restore_py import register_after_restore, register_before_snapshot  # type: ignore[import-untyped]

STEPS: list[str] = ["init"]
RANDOM = random.random()
register_before_snapshot(STEPS.append, "before")
register_after_restore(STEPS.append, "after")
signal.signal(signal.SIGTERM, lambda *_: (print("the function heard SIGTERM", flush=True), os._exit(0)))


def told(event: Any, context: Any) -> Any:
    return {
        "pid": os.getpid(),
        "init": RANDOM,
        "random": random.random(),
        "uuid": str(uuid.uuid4()),
        "steps": STEPS,
        "type": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"],
    }


met: list[str] = []
everybody = asyncio.Condition()


async def meet(event: Any, context: Any) -> Any:
    """Returns when as many as `count` have come."""
    async with everybody:
        met.append(context.aws_request_id)
        everybody.notify_all()
        await everybody.wait_for(lambda: len(met) >= event["count"])
    return {"pid": os.getpid(), "mine": context.aws_request_id}


def meet_in_files(event: Any, context: Any) -> Any:
    """The same for workers that are processes: they see each other's files."""
    with open(f"/tmp/met-{os.getpid()}", "w"):
        pass
    while sum(name.startswith("met-") for name in os.listdir("/tmp")) < event["count"]:
        threading.Event().wait(0.01)
    return {"pid": os.getpid()}


def pieces(event: Any, context: Any) -> Any:
    context.response_stream.content_type = "text/plain"
    for number in range(event["count"]):
        yield f"{number}\n"
    if event.get("fail"):
        raise ValueError("in the middle")


@dataclass
class Order:
    item: str
    count: int = 1


def typed(event: Order, context: Any) -> Order:
    return Order(event.item.upper(), event.count + 1)


async def application(scope: Any, receive: Any, send: Any) -> None:
    while scope["type"] == "lifespan":
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
    body = json.dumps({"path": scope["path"], "method": scope["method"]}).encode()
    await send({"type": "http.response.start", "status": 203, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})
