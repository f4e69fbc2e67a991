"""Several invocations at a time in one environment."""

import multiprocessing
import os

if os.environ["_HANDLER"].endswith("init_fails"):
    raise ValueError("at init")


def in_a_worker(event, context):
    return [event, multiprocessing.parent_process() is not None]


def raises_in_a_worker(event, context):
    raise ValueError(f"in a worker: {multiprocessing.parent_process() is not None}")


def init_fails(event, context):
    return "never called"
