"""Settings: what the command line and the environment ask for, read once and checked."""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rapid.core.names import Function
from rapid.telemetry.json_lines import SYSTEM_LOG_LEVELS
from rapid.telemetry.messages import APPLICATION_LOG_LEVELS

RIE_NAME = "aws-lambda-rie"
"""The name of AWS's emulator: called so, rapid keeps the emulator's default timeout."""

DEFAULT_TIMEOUT = 3.0
RIE_TIMEOUT = 300.0
EXTENSIONS_DIR = "/opt/extensions"
SHIPPED_EXTENSIONS = ("logs-file", "otlp")
LOG_LEVELS = ("trace", "debug", "info", "warn", "warning", "error", "fatal", "panic")


class SettingError(Exception):
    """A setting that cannot be used; the text names it, its value and what was expected."""


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP address to listen on; `asked_by` names the setting that gave it."""

    host: str
    port: int
    asked_by: str

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


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
        handler: `_HANDLER`, where known.
        log_group: CloudWatch group name told to the function.
        log_stream: CloudWatch stream name told to the function.
        log_format: `Text` or `JSON`.
        application_log_level: of the JSON format, the level below which messages of the function are left out; None
            lets all pass.
        system_log_level: the least detailed platform events of the JSON format: `DEBUG`, `INFO` or `WARN`.
        extensions: whether extensions are served at all.
        shipped_extensions: names of rapid's own extensions to start.
        extensions_dir: folder of the external extensions.
    """

    invoke_address: Address
    runtime_address: Address
    log_level: str
    function: Function
    timeout: float
    memory_mb: int
    handler: str
    log_group: str
    log_stream: str
    log_format: str
    application_log_level: str | None
    system_log_level: str
    extensions: bool
    shipped_extensions: tuple[str, ...]
    extensions_dir: str


class Reader:
    """Reads settings from flags first, then environment variables; an empty value is as good as none."""

    def __init__(self, flags: Mapping[str, str], environ: Mapping[str, str]) -> None:
        self._flags = flags
        self._environ = environ

    def find(self, flag: str | None, *names: str) -> tuple[str, str] | None:
        """The first that is given, as (name of the setting, value)."""
        if flag and flag in self._flags:
            return flag, self._flags[flag]
        return next(((name, self._environ[name]) for name in names if self._environ.get(name)), None)

    def text(self, default: str, *names: str) -> str:
        """The first environment variable of `names` that is given."""
        found = self.find(None, *names)
        return found[1] if found else default


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
    today = datetime.now(UTC).strftime("%Y/%m/%d")
    log_stream = f"{today}/[{function.version}]{uuid.uuid4().hex}"
    extensions, shipped = _extensions(read)
    folder = read.find("--extensions-dir", "RAPID_EXTENSIONS_DIR")
    log_format = _one_of(read, "AWS_LAMBDA_LOG_FORMAT", {"text": "Text", "json": "JSON"}, "Text")
    return Settings(
        invoke_address=_invoke_address(read),
        runtime_address=_runtime_address(read),
        log_level=_log_level(read),
        function=function,
        timeout=_timeout(read, program == RIE_NAME or "--runtime-interface-emulator-address" in flags),
        memory_mb=_whole(read, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", 3008),
        handler=handler or read.text("", "AWS_LAMBDA_FUNCTION_HANDLER", "_HANDLER"),
        log_group=read.text(f"/aws/lambda/{function.name}", "AWS_LAMBDA_LOG_GROUP_NAME"),
        log_stream=read.text(log_stream, "AWS_LAMBDA_LOG_STREAM_NAME"),
        log_format=log_format,
        application_log_level=_application_level(read) if log_format == "JSON" else None,
        system_log_level=_one_of(read, "RAPID_SYSTEM_LOG_LEVEL", {x.lower(): x for x in SYSTEM_LOG_LEVELS}, "INFO"),
        extensions=extensions,
        shipped_extensions=shipped,
        extensions_dir=_folder(*folder) if folder else EXTENSIONS_DIR,
    )


def _function(read: Reader) -> Function:
    name = read.text("test_function", "AWS_LAMBDA_FUNCTION_NAME")
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
    return Function(name, read.find(None, "AWS_LAMBDA_FUNCTION_NAME") is not None, version, region, account)


def _invoke_address(read: Reader) -> Address:
    found = read.find("--runtime-interface-emulator-address", "RAPID_RUNTIME_INTERFACE_EMULATOR_ADDRESS")
    if found:
        return parse_address(*found)
    host = read.text("127.0.0.1", "RAPID_HOST")
    port = read.find(None, "PORT")
    if port:
        return Address(host, _port(port[0], port[1], port[1]), "PORT")
    return Address(host, 8080, "--runtime-interface-emulator-address")


def _runtime_address(read: Reader) -> Address:
    found = read.find("--runtime-api-address", "RAPID_RUNTIME_API_ADDRESS")
    return parse_address(*found) if found else Address("127.0.0.1", 9001, "--runtime-api-address")


def _log_level(read: Reader) -> str:
    name, value = read.find("--log-level", "RAPID_LOG_LEVEL", "LOG_LEVEL") or ("--log-level", "info")
    if value.lower() not in LOG_LEVELS:
        raise SettingError(f"{name} is {value!r}: expected one of {', '.join(LOG_LEVELS)}")
    return value.lower()


def _one_of(read: Reader, name: str, values: Mapping[str, str], default: str) -> str:
    """A setting with few values, in whatever case it is written."""
    found = read.find(None, name)
    if not found:
        return default
    if found[1].lower() not in values:
        raise SettingError(f"{name} is {found[1]!r}: expected one of {', '.join(values.values())}")
    return values[found[1].lower()]


def _application_level(read: Reader) -> str:
    """AWS's level, in the name that its own runtimes also take Python's."""
    names = {x.lower(): x for x in APPLICATION_LOG_LEVELS} | {"warning": "WARN", "critical": "FATAL"}
    return _one_of(read, "AWS_LAMBDA_LOG_LEVEL", names, "INFO")


def _extensions(read: Reader) -> tuple[bool, tuple[str, ...]]:
    """Whether extensions are served, and which of rapid's own are started."""
    name, value = read.find("--extensions", "RAPID_EXTENSIONS") or ("--extensions", "on")
    if value in ("on", "off"):
        return value == "on", ()
    names = tuple(dict.fromkeys(word.strip() for word in value.split(",")))
    if not set(names) <= set(SHIPPED_EXTENSIONS):
        raise SettingError(f"{name} is {value!r}: expected on, off, or names among {', '.join(SHIPPED_EXTENSIONS)}")
    return True, names


def _folder(name: str, value: str) -> str:
    if not Path(value).is_dir():
        raise SettingError(f"{name} is {value!r}: expected a folder that exists")
    return str(Path(value).resolve())


def _timeout(read: Reader, as_emulator: bool) -> float:
    found = read.find(None, "AWS_LAMBDA_FUNCTION_TIMEOUT")
    if not found:
        return RIE_TIMEOUT if as_emulator else DEFAULT_TIMEOUT
    seconds = float(found[1]) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", found[1]) else math.nan
    if not 0 < seconds <= 86_400:
        raise SettingError(
            f"AWS_LAMBDA_FUNCTION_TIMEOUT is {found[1]!r}: expected seconds, more than 0 and at most 86400"
        )
    return seconds


def _whole(read: Reader, name: str, default: int) -> int:
    found = read.find(None, name)
    if not found:
        return default
    if not re.fullmatch(r"[1-9][0-9]{0,8}", found[1]):
        raise SettingError(f"{name} is {found[1]!r}: expected a whole number of MB")
    return int(found[1])


def parse_address(name: str, value: str) -> Address:
    """`host:port`, `[v6]:port` or `:port` (every interface).

    Raises:
        SettingError: it is none of these.
    """
    match = re.fullmatch(r"(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<host>[^:\[\]\s/]*)):(?P<port>.*)", value)
    if match is None:
        raise SettingError(f"{name} is {value!r}: expected host:port, for example 127.0.0.1:8080")
    return Address(match["v6"] or match["host"] or "0.0.0.0", _port(name, value, match["port"]), name)


def _port(name: str, value: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > 65535:
        raise SettingError(f"{name} is {value!r}: expected a port between 0 and 65535")
    return int(text)
