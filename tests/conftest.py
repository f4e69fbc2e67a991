"""What tests found worth telling (`record_property`) is printed at the end, also when they ran in several processes."""

from __future__ import annotations

import signal

import pytest

# A shell has what it runs in the background ignore SIGINT, which programs inherit; here they are sent it.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    told = {
        f"{name}: {value}"
        for report in terminalreporter.getreports("passed")
        for name, value in getattr(report, "user_properties", ())
    }
    for line in sorted(told):
        terminalreporter.write_line(line)
