"""The flags of the command, in one table: their variables, and what `--help` says of them."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

INDENT = 2
COLUMN = 40
WIDTH = 118


@dataclass(frozen=True, slots=True)
class Option:
    """One flag.

    Attributes:
        flag: as it is written.
        value: what its value is called.
        variables: environment variables that stand for it, the first that is set counts.
        meaning: one sentence.
        default: as text.
    """

    flag: str
    value: str
    variables: tuple[str, ...]
    meaning: str
    default: str

    def lines(self) -> str:
        """Its part of the help text."""
        head = f"{' ' * INDENT}{self.flag} {self.value}"
        text = f"{self.meaning}  [{', '.join(self.variables)}; {self.default}]"
        body = textwrap.wrap(text, WIDTH - COLUMN, break_long_words=False, break_on_hyphens=False)
        if len(head) >= COLUMN:
            return "\n".join([head, *(f"{' ' * COLUMN}{line}" for line in body)])
        first, *rest = body
        return "\n".join([f"{head:<{COLUMN}}{first}", *(f"{' ' * COLUMN}{line}" for line in rest)])


GROUPS: Mapping[str, tuple[Option, ...]] = {
    "addresses and logs": (
        Option(
            "--runtime-interface-emulator-address",
            "HOST:PORT",
            ("RAPID_RUNTIME_INTERFACE_EMULATOR_ADDRESS",),
            "where to answer invocations",
            "else RAPID_HOST (127.0.0.1) and PORT (8080)",
        ),
        Option(
            "--runtime-api-address",
            "HOST:PORT",
            ("RAPID_RUNTIME_API_ADDRESS",),
            "where the runtime of the first environment calls, loopback only; others get any port",
            "127.0.0.1:9001",
        ),
        Option(
            "--log-level",
            "LEVEL",
            ("RAPID_LOG_LEVEL", "LOG_LEVEL"),
            "trace, debug, info, warn, error, fatal or panic",
            "info",
        ),
        Option(
            "--log-tags",
            "on|off",
            ("RAPID_LOG_TAGS",),
            "begin each line of the text log with the number of its environment",
            "on on a terminal, where there may be more than one environment",
        ),
        Option(
            "--error-page",
            "on|off",
            ("RAPID_ERROR_PAGE",),
            "show errors with their place in the source and the event, on a terminal only",
            "on",
        ),
    ),
    "extensions": (
        Option(
            "--extensions",
            "on|off|NAME[,NAME...]",
            ("RAPID_EXTENSIONS",),
            "off: no extensions at all; names: those shipped with rapid to start as well (logs-file, otlp)",
            "on",
        ),
        Option(
            "--extensions-dir",
            "FOLDER",
            ("RAPID_EXTENSIONS_DIR",),
            "where external extensions are looked for",
            "/opt/extensions",
        ),
    ),
    "scaling": (
        Option(
            "--max-environments",
            "N",
            ("RAPID_MAX_ENVIRONMENTS",),
            "how many execution environments there may be; 1 runs one invocation at a time",
            "what cores and memory allow",
        ),
        Option(
            "--queue-size",
            "N",
            ("RAPID_QUEUE_SIZE",),
            "invocations that may wait for an environment; others are throttled (429)",
            "1000",
        ),
        Option(
            "--queue-timeout",
            "SECONDS",
            ("RAPID_QUEUE_TIMEOUT",),
            "how long an invocation may wait for an environment before it is throttled",
            "60",
        ),
        Option(
            "--reserved-concurrency",
            "N",
            ("RAPID_RESERVED_CONCURRENCY",),
            "invocations that may be on at once; others are throttled; 0 throttles all",
            "no limit of its own",
        ),
        Option(
            "--provisioned-concurrency",
            "N",
            ("RAPID_PROVISIONED_CONCURRENCY",),
            "environments that are initialised at start and kept",
            "0",
        ),
        Option(
            "--scaling-rate",
            "N",
            ("RAPID_SCALING_RATE",),
            "environments that may be started in ten seconds (AWS: 1000)",
            "no limit",
        ),
        Option(
            "--idle-timeout",
            "SECONDS",
            ("RAPID_IDLE_TIMEOUT",),
            "how long an environment may have nothing to do before it is shut down; the last one is kept",
            "600",
        ),
    ),
    "snapshots": (
        Option(
            "--snapshot",
            "none|fork|criu",
            ("RAPID_SNAPSHOT",),
            "what environments are started from: a template that is forked, or one that was saved to disk",
            "none",
        ),
        Option(
            "--snapshot-dir",
            "FOLDER",
            ("RAPID_SNAPSHOT_DIR",),
            "the snapshot that --snapshot criu restores",
            "none",
        ),
    ),
    "serving": (
        Option("--health-path", "PATH", ("RAPID_HEALTH_PATH",), "answers 200 as long as rapid runs", "/healthz"),
        Option("--ready-path", "PATH", ("RAPID_READY_PATH",), "answers 200 when invocations are welcome", "/readyz"),
        Option(
            "--ready-at-capacity",
            "on|off",
            ("RAPID_READY_AT_CAPACITY",),
            "off: not ready while no environment is free",
            "on",
        ),
        Option(
            "--drain-grace",
            "SECONDS",
            ("RAPID_DRAIN_GRACE",),
            "how long invocations are still accepted after SIGTERM",
            "5 in Kubernetes, else 0",
        ),
        Option(
            "--drain-timeout",
            "SECONDS",
            ("RAPID_DRAIN_TIMEOUT",),
            "how long accepted invocations may take after that",
            "5",
        ),
        Option(
            "--metrics",
            "off|/PATH|HOST:PORT",
            ("RAPID_METRICS",),
            "metrics for Prometheus, on a path beside the Invoke API or at an address of their own",
            "off",
        ),
        Option("--emf", "on|off", ("RAPID_EMF",), "CloudWatch's metrics as lines of the log", "off"),
    ),
}

OPTIONS: Mapping[str, Option] = {option.flag: option for group in GROUPS.values() for option in group}
"""Flag → what is known of it."""


def describe() -> str:
    """All flags, for the help text."""
    return "\n\n".join(f"{name}:\n" + "\n".join(option.lines() for option in group) for name, group in GROUPS.items())
