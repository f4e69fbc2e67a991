"""Composition: reads the environment, puts the parts together, loads the handler, runs the loop."""

from __future__ import annotations

import os
import sys

from . import logs
from .client import RuntimeClient
from .errors import RuntimeAPIError
from .handler import TYPED_EVENTS, load_handler
from .loop import run
from .marshal import Encoder, writes_raw_utf8
from .paths import user_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping
    from typing import NoReturn

    from .concurrency.worker import Worker
    from .handler import Handler


def start(arguments: list[str], inherited_path: list[str]) -> NoReturn:
    """Run the function named by the first argument, else by `_HANDLER`, against `AWS_LAMBDA_RUNTIME_API`.

    `inherited_path` is the import path that the interpreter started with, without the runtime's own folder. Ends with
    exit status 1 when the handler cannot be loaded or the Runtime API fails, or with what user code exits with.
    """
    _be_a_good_first_process()
    environ = os.environ
    environ.setdefault("AWS_EXECUTION_ENV", f"AWS_Lambda_python{sys.version_info[0]}.{sys.version_info[1]}")
    encoder = _new_encoder(environ)
    try:
        client = _new_client(environ)
        name = _handler_name(arguments, environ)
        template = environ.pop("RAPID_TEMPLATE_SOCKET", None)  # no affair of user code
        worker = _become_worker(client, environ)
        sys.path[:] = user_path(environ, inherited_path)
        logs.flush_each_write()
        logs.log.set_up(environ)
        logs.install()
        if worker is not None:
            worker.take_up(encoder)
            worker.run(_load(name, worker.client, encoder), encoder)
        handler = _load(name, client, encoder)
        if environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
            from .snapshot.restoring import pass_snapshot

            client = pass_snapshot(client, handler, encoder, template, _new_client)
        run(client, handler, encoder)
    except RuntimeAPIError as error:
        sys.exit(f"runtime: {error}")


def _be_a_good_first_process() -> None:
    """The first process of a container has no default action on SIGTERM: without a handler it would not end."""
    if os.getpid() == 1:
        import signal

        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))


def _new_client(environ: Mapping[str, str]) -> RuntimeClient:
    address = environ.get("AWS_LAMBDA_RUNTIME_API", "")
    if not address:
        sys.exit("runtime: AWS_LAMBDA_RUNTIME_API is not set: there is no Runtime API to serve")
    try:
        # Set by a server that takes two requests at once; AWS's is not known to.
        return RuntimeClient(address, pipelined=environ.get("RAPID_RUNTIME_PIPELINE") == "1")
    except ValueError as error:
        sys.exit(f"runtime: AWS_LAMBDA_RUNTIME_API: {error}")


def _new_encoder(environ: Mapping[str, str]) -> Encoder:
    ascii_only = not writes_raw_utf8(environ["AWS_EXECUTION_ENV"])
    if environ.get(TYPED_EVENTS) != "on":
        return Encoder(ascii_only=ascii_only)
    from .typed.results import TypedEncoder

    return TypedEncoder(ascii_only=ascii_only)


def _handler_name(arguments: list[str], environ: Mapping[str, str]) -> str:
    name = arguments[0] if arguments else environ.get("_HANDLER")
    if name is None:
        sys.exit("runtime: there is no handler: name it as the first argument (`bootstrap app.handler`) or in _HANDLER")
    return name


def _become_worker(client: RuntimeClient, environ: MutableMapping[str, str]) -> Worker | None:
    """Where several invocations are to be served at once: one of the processes that do; the one that was started stays
    within.
    """
    if "AWS_LAMBDA_MAX_CONCURRENCY" not in environ:
        return None
    from .concurrency.supervisor import supervise

    return supervise(environ, client)


def _load(name: str, client: RuntimeClient, encoder: Encoder) -> Handler:
    """The handler; when there is none, tell the log and the Runtime API why and exit with status 1."""
    try:
        return load_handler(name)
    except Exception as error:
        report_init_failure(client, encoder, error)
        sys.exit(1)


def report_init_failure(client: RuntimeClient, encoder: Encoder, error: BaseException) -> None:
    """Log an error at init and report it to the Runtime API."""
    from .formats import INIT_WARNING, log_error
    from .report import ErrorReport

    report = ErrorReport(error)
    import logging  # for the user's own set-up of it holds for this line as well

    logging.warning(INIT_WARNING)
    log_error(report, "", encoder)
    client.fail_init(encoder.encode(report.as_json("")), report.error_type)
