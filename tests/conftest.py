"""What tests found worth telling (`record_property`) is printed at the end, also when they ran in several processes."""

from __future__ import annotations

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    told = {
        f"{name}: {value}"
        for report in terminalreporter.getreports("passed")
        for name, value in getattr(report, "user_properties", ())
    }
    for line in sorted(told):
        terminalreporter.write_line(line)
