"""Figures that tests give (recovery, losses) are printed at the end, passed or not."""

import signal
from collections.abc import Callable

import pytest

Tell = Callable[[str], None]


def pytest_configure() -> None:
    """Let signals do what they do, however the tests were started: `nohup`, or with a `&`."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Tell:
    """Give a function that keeps a line for the summary."""

    def keep(line: str) -> None:
        print(line)
        request.node.user_properties.append(("figure", line))

    return keep


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the lines, by test."""
    lines = [
        f"{report.nodeid.rpartition('::')[2]}: {line}"
        for reports in terminalreporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for name, line in report.user_properties
        if name == "figure"
    ]
    if lines:
        terminalreporter.section("figures")
        for line in lines:
            terminalreporter.line(line)
