"""`limpet doctor`: look at all that keeps limpet from working on this host, and say what to do."""

import importlib
import os
import sys
from collections.abc import Callable
from typing import Final

import click

from limpet.common.errors import ExitCode, UsageError
from limpet.common.service.paths import Role, Roots
from limpet.common.setup.findings import Check, Finding, is_well, run_checks
from limpet.common.terminal.group import format_option
from limpet.common.terminal.session import Session

ROLES: Final[dict[Role, str]] = {
    "master": "limpet.master.setup.doctor",
    "minion": "limpet.minion.setup.doctor",
}
"""The modules with `checks_of(session, roots)`, imported where the role is set up on this host."""

EPILOG = """\b
Examples:
  sudo limpet doctor
  limpet doctor --role minion --format json

\b
Exit codes: 0 nothing is wrong (there may be warnings), 1 something is, 2 usage"""


@click.command(name="doctor", epilog=EPILOG)
@click.option(
    "--role", type=click.Choice(["master", "minion"]), help="Look at one of the two [all here]."
)
@format_option("text", "json", text="Lines, or one document.")
def command(role: Role | None, form: str) -> int:
    """Look for what is wrong on this host, within 20 s, and say what to do about each.

    Names, ports, keys, clock, disk, modes, versions, service: of the master, of the minion, or of
    both, whichever is here. As root it sees more.
    """
    session = Session.current()
    roles = [role] if role is not None else [each for each in ROLES if _is_here(each, session)]
    if not roles:
        raise UsageError(
            "neither a master nor a minion is set up here: `limpet master setup`, "
            "`limpet minion setup`, or another --root"
        )
    whose: list[Role] = []
    checks: list[Check] = []
    for each in roles:
        module = importlib.import_module(ROLES[each])
        checks_of: Callable[[Session, Roots], list[Check]] = module.checks_of
        of_role = checks_of(session, Roots.locate(each, session.root))
        whose += [each] * len(of_role)
        checks += of_role
    found = run_checks(checks)
    findings: list[tuple[Role, Finding]] = []
    seen: set[Finding] = set()  # of a host with both: memory and the like are told once
    for number, of_check in enumerate(found):
        findings += [(whose[number], each) for each in of_check if each not in seen]
        seen.update(of_check)
    if form == "json":
        _write_json(findings)
    else:
        _write_text(findings, session, has_both=len(roles) > 1)
    return int(ExitCode.OK if is_well(each for _, each in findings) else ExitCode.FAILED)


def _is_here(role: Role, session: Session) -> bool:
    """Say whether this host has, or had, a daemon of the role."""
    roots = Roots.locate(role, session.root)
    config = roots.config_file
    places = (config, config.with_suffix(".d"), roots.state_dir)
    return any(os.path.exists(place) for place in places)  # False where this user may not look


def _write_json(findings: list[tuple[Role, Finding]]) -> None:
    from limpet.common.setup.report import as_data
    from limpet.common.terminal.forms import json_text

    rows = as_data(finding for _, finding in findings)
    data = {
        "ok": is_well(finding for _, finding in findings),
        "findings": [{"role": role, **row} for (role, _), row in zip(findings, rows, strict=True)],
    }
    sys.stdout.write(f"{json_text(data)}\n")


def _write_text(findings: list[tuple[Role, Finding]], session: Session, *, has_both: bool) -> None:
    from limpet.common.setup.report import show

    last = ""
    for role, finding in findings:
        if has_both and role != last:
            sys.stdout.write(f"{role}:\n")
            last = role
        show((finding,), session.palette)
    counts = {
        verdict: sum(1 for _, each in findings if each.verdict == verdict)
        for verdict in ("fail", "warn")
    }
    fails, warns = counts["fail"], counts["warn"]
    sys.stdout.write(
        "nothing is wrong\n" if not fails and not warns else f"{fails} failed, {warns} to look at\n"
    )
