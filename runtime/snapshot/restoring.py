"""The protocol: hooks, `restore/next`, hooks; then the process serves invocations.

https://docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks-custom.html
"""

from __future__ import annotations

import sys

from ..errors import AFTER_RESTORE_ERROR, BEFORE_SNAPSHOT_ERROR, RuntimeAPIError
from ..handler import kind_of
from . import fresh, hooks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import NoReturn

    from ..client import RuntimeClient
    from ..handler import Handler
    from ..marshal import Encoder

    NewClient = Callable[[Mapping[str, str]], RuntimeClient]

BEFORE_FAILED, AFTER_FAILED = 64, 65
"""Exit statuses, those of AWS's runtime."""


def pass_snapshot(
    client: RuntimeClient, handler: Handler, encoder: Encoder, template: str | None, new_client: NewClient
) -> RuntimeClient:
    """Become a snapshot; return when restored, with the client to serve invocations with.

    `template`: where to listen for requests to fork, if that is wanted. What returns may then be a new process, whose
    client `new_client` has made of its environment. When a hook fails the process exits, as AWS's runtime does.
    """
    try:
        hooks.run_before_snapshot()
    except BaseException as error:  # also what else would end the process, as under AWS's runtime
        _fail_before(client, encoder, error)
    if kind_of(handler).is_async:
        from ..event_loop import event_loop

        event_loop.open()
    try:
        client = _wait(client, template, new_client)
    except RuntimeAPIError as error:
        _fail_before(client, encoder, error)
    fresh.renew()
    try:
        hooks.run_after_restore()
    except BaseException as error:
        client.fail_restore(_told(error, encoder), AFTER_RESTORE_ERROR)
        sys.exit(AFTER_FAILED)
    return client


def _fail_before(client: RuntimeClient, encoder: Encoder, error: BaseException) -> NoReturn:
    client.fail_init(_told(error, encoder), BEFORE_SNAPSHOT_ERROR)
    sys.exit(BEFORE_FAILED)


def _wait(client: RuntimeClient, template: str | None, new_client: NewClient) -> RuntimeClient:
    if template is not None:
        from .template import listen

        listening = listen(template)
        if listening is not None:
            return listening.wait(client, new_client)
    client.ask_to_be_restored()
    client.wait_to_be_restored()
    return client


def _told(error: BaseException, encoder: Encoder) -> bytes:
    """Write an error to the log; its JSON."""
    from ..formats import log_error
    from ..report import ErrorReport

    report = ErrorReport(error)
    log_error(report, "", encoder)
    return encoder.encode(report.as_json(""))
