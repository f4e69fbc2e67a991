"""SnapStart: hooks before the snapshot and after the restore. https://pypi.org/project/snapshot-restore-py/"""

import os

from snapshot_restore_py import register_after_restore, register_before_snapshot

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
