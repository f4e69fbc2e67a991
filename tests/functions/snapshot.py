"""SnapStart: hooks before the snapshot and after the restore. https://pypi.org/project/snapshot-restore-py/"""

import os

from snapshot_restore_py import (
    get_after_restore,
    get_before_snapshot,
    register_after_restore,
    register_before_snapshot,
)

STEPS = []


def _step(text, times=1):
    print(text)
    STEPS.extend([text] * times)


def _fail(text):
    raise ValueError(text)


def steps(event, context):
    return STEPS


def before_fails(event, context):
    return "never called"


def after_fails(event, context):
    return "never called"


def before_exits(event, context):
    return "never called"


def after_exits(event, context):
    return "never called"


def a_hook_adds_hooks(event, context):
    return STEPS


def coroutines(event, context):
    return STEPS


def on_demand(event, context):
    return STEPS


async def _step_later(text):
    STEPS.append(text)


def _add():
    register_before_snapshot(_step, "added before")
    register_after_restore(_step, "added after")


def runtime_address(event, context):
    return os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"]


register_before_snapshot(_step, "before 1")
register_before_snapshot(_step, "before 2", times=2)
register_after_restore(_step, "after 1")
register_after_restore(_step, "after 2")
_case = os.environ["_HANDLER"].partition(".")[2]
if _case == "before_fails":
    register_before_snapshot(_fail, "before")
elif _case == "after_fails":
    register_after_restore(_fail, "after")
elif _case == "before_exits":
    register_before_snapshot(exit, 7)
elif _case == "after_exits":
    register_after_restore(exit, 7)
elif _case == "a_hook_adds_hooks":
    register_before_snapshot(_add)
    register_after_restore(_add)
elif _case == "coroutines":
    STEPS = []
    get_before_snapshot().clear()
    get_after_restore().clear()
    register_before_snapshot(_step_later, "before")
    register_after_restore(_step_later, "after")
