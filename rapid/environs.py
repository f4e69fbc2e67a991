"""The variables that the processes of an environment are given.

Source: AWS developer guide, "Using Lambda environment variables" and "Using the Lambda Extensions API".
"""

from __future__ import annotations

from collections.abc import Mapping

from rapid.cli import RuntimeCommand
from rapid.settings import Settings

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
    settings: Settings, command: RuntimeCommand, environ: Mapping[str, str], api: str
) -> dict[str, str]:
    """The runtime's environment: rapid's own, and what Lambda adds to it.

    Source: AWS developer guide, "Defined runtime environment variables".

    Args:
        settings: names, sizes, handler.
        command: may add variables of its own.
        environ: rapid's environment.
        api: host:port of the environment's Runtime API.
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
        "AWS_LAMBDA_LOG_STREAM_NAME": settings.log_stream,
        "AWS_LAMBDA_INITIALIZATION_TYPE": settings.initialization_type.value,
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
    return {**defaults, **passed, **told, **command.environ}


def extension_environ(runtime: Mapping[str, str]) -> dict[str, str]:
    """An external extension's environment: the runtime's, without what concerns the runtime alone."""
    return {
        name: value
        for name, value in runtime.items()
        if not name.startswith("_") and name not in RUNTIME_ONLY and not name.startswith("RAPID_RUNTIME_")
    }
