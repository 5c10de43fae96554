"""Findings on the screen: one line each, with what to do below it."""

import sys
from collections.abc import Iterable
from typing import Any, Final

from limpet.common.setup.findings import Finding, Verdict
from limpet.common.terminal.colors import Palette
from limpet.common.terminal.escape import escape_line

_COLORS: Final[dict[Verdict, str]] = {"ok": "green", "warn": "yellow", "fail": "red"}
_ADVICE_INDENT: Final = " " * 6


def finding_lines(finding: Finding, palette: Palette) -> list[str]:
    """Give the lines of one finding."""
    mark = palette.paint(_COLORS[finding.verdict], f"{finding.verdict:5}")
    lines = [f"{mark} {finding.check}: {escape_line(finding.text)}"]
    if finding.advice and finding.verdict != "ok":
        lines.append(f"{_ADVICE_INDENT}{escape_line(finding.advice)}")
    return lines


def show(findings: Iterable[Finding], palette: Palette) -> None:
    """Write findings to stdout."""
    for finding in findings:
        for line in finding_lines(finding, palette):
            sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def as_data(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Give findings as data for JSON."""
    return [
        {
            "check": finding.check,
            "verdict": finding.verdict,
            "text": finding.text,
            "advice": finding.advice,
        }
        for finding in findings
    ]
