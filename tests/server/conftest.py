"""One rapid for all tests of a module, where they leave it as they found it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.played import Played
from tests.server.played import played as playing
from tests.support.program import Program, running

APP = """
import base64, json, os, sys, time

def handler(event, context):
    do = event.get("do") if isinstance(event, dict) else None
    if do == "fail":
        raise ValueError(event["say"])
    if do == "print":
        print(event["say"])
    if do == "nap":
        time.sleep(event["seconds"])
    if do == "context":
        client, identity = context.client_context, context.identity
        return {
            "request": context.aws_request_id,
            "arn": context.invoked_function_arn,
            "custom": client and client.custom,
            "tenant": context.tenant_id,
            "identity": identity and [identity.cognito_identity_id, identity.cognito_identity_pool_id],
            "trace": os.environ.get("_X_AMZN_TRACE_ID"),
            "left": context.get_remaining_time_in_millis(),
        }
    return event
"""


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """A rapid for which the test plays the runtime; every test finishes the invocations that it begins."""
    with playing(tmp_path_factory.mktemp("task")) as it:
        yield it


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A rapid with a function, on our runtime."""
    task: Path = tmp_path_factory.mktemp("task")
    (task / "app.py").write_text(APP)
    with running("app.handler", task, AWS_LAMBDA_FUNCTION_TIMEOUT="30") as program:
        yield program
        assert "Traceback" not in "".join(program.errors)
