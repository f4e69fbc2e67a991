"""Settings: what the command line and the environment ask for, read once and checked."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from rapid import operation
from rapid.core.concurrent import MAX_CONCURRENCY
from rapid.core.initialisation import InitializationType
from rapid.core.names import Function
from rapid.reading import LONGEST, Address, Reader, SettingError, decimal, parse_address, parse_port
from rapid.telemetry.json_lines import SYSTEM_LOG_LEVELS
from rapid.telemetry.messages import APPLICATION_LOG_LEVELS

RIE_NAME = "aws-lambda-rie"
"""The name of AWS's emulator: called so, rapid keeps the emulator's default timeout."""

DEFAULT_TIMEOUT = 3.0
RIE_TIMEOUT = 300.0
EXTENSIONS_DIR = "/opt/extensions"
SHIPPED_EXTENSIONS = ("logs-file", "otlp")
LOG_LEVELS = ("trace", "debug", "info", "warn", "warning", "error", "fatal", "panic")


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be chosen.

    Attributes:
        invoke_address: where callers invoke.
        runtime_address: where the runtime calls, always loopback.
        log_level: one of `LOG_LEVELS`.
        function: name, version and ARN parts.
        timeout: seconds that an invocation may take.
        memory_mb: the function's memory size as told to the function and in REPORT lines, MB.
        max_concurrency: invocations that an environment takes at once; None for the ordinary kind of environment, which
            takes one. 1 makes an environment of the other kind that takes one.
        handler: `_HANDLER`, where known.
        log_group: CloudWatch group name told to the function.
        log_stream: CloudWatch stream name told to the function; None for one of its own in each environment.
        log_format: `Text` or `JSON`.
        application_log_level: of the JSON format, the level below which messages of the function are left out; None
            lets all pass.
        system_log_level: the least detailed platform events of the JSON format: `DEBUG`, `INFO` or `WARN`.
        extensions: whether extensions are served at all.
        shipped_extensions: names of rapid's own extensions to start.
        extensions_dir: folder of the external extensions.
        log_tags: begin lines of the text log with the number of their environment; None where a terminal shows them.
        error_page: whether errors are shown as a page where there is a terminal.
        scaling: how many environments there are.
        snapshots: what they are started from.
        probes: health and readiness.
        draining: what happens after SIGTERM.
        metrics: who is told of what happens.
    """

    invoke_address: Address
    runtime_address: Address
    log_level: str
    function: Function
    timeout: float
    memory_mb: int
    max_concurrency: int | None
    handler: str
    log_group: str
    log_stream: str | None
    log_format: str
    application_log_level: str | None
    system_log_level: str
    extensions: bool
    shipped_extensions: tuple[str, ...]
    extensions_dir: str
    log_tags: bool | None
    error_page: bool
    scaling: operation.Scaling
    snapshots: operation.Snapshots
    probes: operation.Probes
    draining: operation.Draining
    metrics: operation.Metrics

    @property
    def initialization_type(self) -> InitializationType:
        """Why an environment is initialised, unless there is a reason of its own."""
        if self.max_concurrency:
            return InitializationType.MANAGED
        return InitializationType.SNAP_START if self.snapshots.snap_start else InitializationType.ON_DEMAND

    def log_stream_of(self, number: int) -> str:
        """The stream name of an environment, in AWS's form; the one that was asked for is the first's."""
        if self.log_stream:
            return self.log_stream if number == 1 else f"{self.log_stream}.{number}"
        return f"{datetime.now(UTC):%Y/%m/%d}/[{self.function.version}]{uuid.uuid4().hex}"


def load(program: str, flags: Mapping[str, str], environ: Mapping[str, str], handler: str | None = None) -> Settings:
    """Settings from the command line and the environment.

    Args:
        program: the name that rapid was called by.
        flags: flag → value, as written on the command line.
        environ: the process' environment.
        handler: the handler that the command line names; `_HANDLER` otherwise.

    Raises:
        SettingError: a value cannot be used.
    """
    read = Reader(flags, environ)
    function = _function(read)
    extensions, shipped = _extensions(read)
    max_concurrency = read.whole("AWS_LAMBDA_MAX_CONCURRENCY", None, 1, MAX_CONCURRENCY)
    formats = {"text": "Text", "json": "JSON"}
    log_format = read.one_of("AWS_LAMBDA_LOG_FORMAT", formats, "JSON" if max_concurrency else "Text")
    return Settings(
        invoke_address=_invoke_address(read),
        runtime_address=_runtime_address(read),
        log_level=read.one_of("--log-level", {level: level for level in LOG_LEVELS}, "info"),
        function=function,
        timeout=_timeout(read, program == RIE_NAME or "--runtime-interface-emulator-address" in flags),
        memory_mb=_memory(read),
        max_concurrency=max_concurrency,
        handler=handler or read.text("", "AWS_LAMBDA_FUNCTION_HANDLER", "_HANDLER"),
        log_group=read.text(f"/aws/lambda/{function.name}", "AWS_LAMBDA_LOG_GROUP_NAME"),
        log_stream=read.text("", "AWS_LAMBDA_LOG_STREAM_NAME") or None,
        log_format=log_format,
        application_log_level=_application_level(read) if log_format == "JSON" else None,
        system_log_level=read.one_of("RAPID_SYSTEM_LOG_LEVEL", {x.lower(): x for x in SYSTEM_LOG_LEVELS}, "INFO"),
        extensions=extensions,
        shipped_extensions=shipped,
        extensions_dir=read.folder("--extensions-dir") or EXTENSIONS_DIR,
        log_tags=read.switch("--log-tags", False) if read.find("--log-tags") else None,
        error_page=read.switch("--error-page", True),
        scaling=operation.scaling(read),
        snapshots=operation.snapshots(read),
        probes=operation.probes(read),
        draining=operation.draining(read),
        metrics=operation.metrics(read),
    )


def _function(read: Reader) -> Function:
    name = read.text("test_function", "AWS_LAMBDA_FUNCTION_NAME", "K_SERVICE")  # Knative's name for what it serves
    version = read.text("$LATEST", "AWS_LAMBDA_FUNCTION_VERSION")
    account = read.text("012345678912", "AWS_ACCOUNT_ID")
    if not re.fullmatch(r"[0-9]{12}", account):
        raise SettingError(f"AWS_ACCOUNT_ID is {account!r}: expected 12 digits")
    if not re.fullmatch(r"\$LATEST|[0-9]{1,20}", version):
        raise SettingError(f"AWS_LAMBDA_FUNCTION_VERSION is {version!r}: expected $LATEST or a number")
    if not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name):
        raise SettingError(
            f"AWS_LAMBDA_FUNCTION_NAME is {name!r}: expected 1 to 64 letters, digits, hyphens or underscores"
        )
    region = read.text("us-east-1", "AWS_REGION", "AWS_DEFAULT_REGION")
    if not re.fullmatch(r"[a-z0-9-]{1,64}", region):
        raise SettingError(f"AWS_REGION is {region!r}: expected a region such as us-east-1")
    return Function(name, read.find("AWS_LAMBDA_FUNCTION_NAME") is not None, version, region, account)


def _invoke_address(read: Reader) -> Address:
    given = read.find("--runtime-interface-emulator-address")
    if given:
        return parse_address(given)
    host = read.text("127.0.0.1", "RAPID_HOST")
    port = read.find("PORT")
    if port:
        return Address(host, parse_port(port, port.value), "PORT")
    return Address(host, 8080, "--runtime-interface-emulator-address")


def _runtime_address(read: Reader) -> Address:
    given = read.find("--runtime-api-address")
    return parse_address(given) if given else Address("127.0.0.1", 9001, "--runtime-api-address")


def _application_level(read: Reader) -> str:
    """AWS's level, in the name that its own runtimes also take Python's."""
    names = {x.lower(): x for x in APPLICATION_LOG_LEVELS} | {"warning": "WARN", "critical": "FATAL"}
    return read.one_of("AWS_LAMBDA_LOG_LEVEL", names, "INFO")


def _extensions(read: Reader) -> tuple[bool, tuple[str, ...]]:
    """Whether extensions are served, and which of rapid's own are started."""
    given = read.find("--extensions")
    if given is None or given.value in ("on", "off"):
        return given is None or given.value == "on", ()
    names = tuple(dict.fromkeys(word.strip() for word in given.value.split(",")))
    if not set(names) <= set(SHIPPED_EXTENSIONS):
        raise given.refuse(f"on, off, or names among {', '.join(SHIPPED_EXTENSIONS)}")
    return True, names


def _timeout(read: Reader, as_emulator: bool) -> float:
    given = read.find("AWS_LAMBDA_FUNCTION_TIMEOUT")
    if not given:
        return RIE_TIMEOUT if as_emulator else DEFAULT_TIMEOUT
    seconds = decimal(given.value)
    if seconds is None or not 0 < seconds <= LONGEST:
        raise given.refuse(f"seconds, more than 0 and at most {LONGEST}")
    return seconds


def _memory(read: Reader) -> int:
    given = read.find("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
    if not given:
        return 3008
    if not re.fullmatch(r"[1-9][0-9]{0,8}", given.value):
        raise given.refuse("a whole number of MB")
    return int(given.value)
