"""The variables that the processes of an environment are given.

Source: AWS developer guide, "Using Lambda environment variables" and "Using the Lambda Extensions API".
"""

from __future__ import annotations

from collections.abc import Mapping

from rapid.api.credentials import CREDENTIALS, Credentials
from rapid.cli import RuntimeCommand
from rapid.composition import Identity
from rapid.settings import Settings

KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
CONTAINER_CREDENTIALS = (
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
)
"""What tells SDKs where to ask for credentials; some of it would come before what an environment is told."""

RUNTIME_ONLY = (
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_XRAY_CONTEXT_MISSING",
    "AWS_XRAY_DAEMON_ADDRESS",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
)
"""What extensions are not told, besides all that begins with an underscore."""

MAX_CONCURRENCY = "AWS_LAMBDA_MAX_CONCURRENCY"


def runtime_environ(
    settings: Settings, command: RuntimeCommand, environ: Mapping[str, str], api: str, identity: Identity
) -> dict[str, str]:
    """The runtime's environment: rapid's own, and what Lambda adds to it.

    Source: AWS developer guide, "Defined runtime environment variables".

    Args:
        settings: names, sizes, handler.
        command: may add variables of its own.
        environ: rapid's environment.
        api: host:port of the environment's Runtime API.
        identity: which environment it is.
    """
    region = settings.function.region
    defaults = {
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "LAMBDA_TASK_ROOT": command.cwd,
        "TZ": ":UTC",
        "RAPID_RUNTIME_PIPELINE": "1",  # our runtime may send an answer and the next question together: we take both
    }
    told = {
        "AWS_LAMBDA_RUNTIME_API": api,
        "AWS_LAMBDA_FUNCTION_NAME": settings.function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": settings.function.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(settings.memory_mb),
        "AWS_LAMBDA_LOG_GROUP_NAME": settings.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": identity.log_stream,
        "AWS_LAMBDA_INITIALIZATION_TYPE": identity.initialization_type.value,
    }
    if settings.log_format == "JSON":
        told["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
    if environ.get("RAPID_LIBRARY_PATH"):  # the image's: see its entry point
        defaults["LD_LIBRARY_PATH"] = environ["RAPID_LIBRARY_PATH"]
    if settings.handler:
        told["_HANDLER"] = settings.handler
    if settings.max_concurrency:
        told[MAX_CONCURRENCY] = str(settings.max_concurrency)
    passed = {name: value for name, value in environ.items() if name != MAX_CONCURRENCY}  # runtimes stumble over ""
    if credentials := identity.credentials:
        passed = {name: value for name, value in passed.items() if name not in (*KEYS, *CONTAINER_CREDENTIALS)}
        told["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = f"http://{api}{CREDENTIALS}"
        told["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = credentials.token
    return {**defaults, **passed, **told, **command.environ}


def own_credentials(environ: Mapping[str, str]) -> Credentials | None:
    """rapid's own, if its variables have any, to be handed out under a token that is new each time."""
    key_id, secret, session = (environ.get(name, "") for name in KEYS)
    return Credentials(key_id, secret, session) if key_id and secret else None


def extension_environ(runtime: Mapping[str, str]) -> dict[str, str]:
    """An external extension's environment: the runtime's, without what concerns the runtime alone."""
    return {
        name: value
        for name, value in runtime.items()
        if not name.startswith("_") and name not in RUNTIME_ONLY and not name.startswith("RAPID_RUNTIME_")
    }
