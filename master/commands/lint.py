"""`limpet lint`: what is wrong or odd in a tree of states, without a master."""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from limpet.common.errors import ExitCode, UsageError
from limpet.common.terminal.colors import Palette
from limpet.common.terminal.escape import cut_line, escape_line
from limpet.common.terminal.session import Session
from limpet.master.commands.jobs import FORMAT
from limpet.master.commands.shared.output import write_document

if TYPE_CHECKING:
    from limpet.states.lint.checks.compatibility import Use
    from limpet.states.lint.findings import Finding
    from limpet.states.lint.tree.finding import LintTree

EPILOG = """\b
Examples:
  limpet lint                          the trees of master.yaml, else of minion.yaml
  limpet lint /srv/salt                a tree, its pillar beside it
  limpet lint nginx-formula            a formula's repository
  limpet lint web/init.sls             one file of a tree
  limpet lint --format json --strict   for a pipeline: warnings count too
  limpet lint --salt-compat /srv/salt  what of it limpet does not have"""


@click.command(epilog=EPILOG)
@click.argument("path", required=False, metavar="[PATH]")
@click.option("--strict", "is_strict", is_flag=True, help="Warnings count as errors.")
@click.option(
    "--grains",
    "grains_file",
    metavar="FILE",
    help="Render for a host with these grains (YAML or JSON) instead of typical ones.",
)
@click.option(
    "--salt-compat",
    "is_about_salt",
    is_flag=True,
    help="Tell what the tree uses that Salt has and limpet does not.",
)
@FORMAT
def command(
    path: str | None, is_strict: bool, grains_file: str | None, is_about_salt: bool, form: str
) -> int:
    """Report every error and oddity of a tree of states and pillar at once.

    PATH is a tree, a formula's repository, a folder in one or a single file. Nothing is run: the
    tree is rendered for a few typical hosts, and what templates would ask of a host is unknown.

    Ends with 1 where there are errors (with --strict: or warnings).
    """
    session = Session.current()
    tree = _tree(session, path)
    if is_about_salt:
        return _compare(session, tree, form)
    from limpet.states.lint.lint import Lint

    grains = None if grains_file is None else _grains(grains_file)
    findings = Lint(tree, is_strict=is_strict, grains=grains).findings()
    if form == "text":
        sys.stdout.writelines(f"{line}\n" for line in _lines(findings, session.palette))
    else:
        write_document([as_data(each) for each in findings], form)
    is_bad = any(each.severity == "error" or is_strict for each in findings)
    return int(ExitCode.FAILED if is_bad else ExitCode.OK)


def as_data(finding: "Finding") -> dict[str, Any]:
    """Give a finding as JSON shows it."""
    return {
        "file": finding.file,
        "line": finding.line,
        "column": finding.column,
        "rule": finding.rule,
        "severity": finding.severity,
        "message": finding.message,
        "hint": finding.hint,
    }


def _tree(session: Session, path: str | None) -> "LintTree":
    """Find the tree that is meant. Raises `UsageError`, `SourceError`."""
    import os

    import msgspec

    from limpet.common.service.paths import Roots
    from limpet.common.settings.master import load_master
    from limpet.common.settings.minion import load_minion
    from limpet.states.lint.tree.finding import is_tree, tree_at, tree_of

    if path is not None:
        return tree_at(path)
    master, minion = (Roots.locate(role, session.root) for role in ("master", "minion"))
    if master.config_file.exists():
        return tree_of(msgspec.to_builtins(load_master(master)))
    if minion.config_file.exists():
        configuration: Mapping[str, Any] = msgspec.to_builtins(load_minion(minion))
        return tree_of({key: each for key, each in configuration.items() if key != "join"})
    if is_tree(os.getcwd()):
        return tree_at(os.getcwd())
    raise UsageError(
        f"no tree to look at: there is neither {master.config_file} nor {minion.config_file}, and "
        "no states are here; name a PATH"
    )


def _grains(path: str) -> dict[str, Any]:
    """Read a file of grains. Raises `UsageError`."""
    from limpet.states.sls.errors import RenderError
    from limpet.states.sls.yaml_source import load

    try:
        with open(path, encoding="utf-8") as file:
            found = load(file.read(), path).data
    except (OSError, UnicodeDecodeError, RenderError) as error:
        raise UsageError(f"--grains {path}: {error}") from error
    if isinstance(found, dict) and len(found) == 1:  # as `limpet call --local grains.items` gives
        inner = next(iter(found.values()))
        found = inner if isinstance(inner, dict) else found
    if not isinstance(found, dict):
        raise UsageError(f"--grains {path}: a mapping of grains is expected")
    return found


def _lines(findings: "Sequence[Finding]", palette: Palette) -> Iterator[str]:
    sources: dict[str, list[str]] = {}
    for finding in findings:
        place = ":".join(str(each) for each in (finding.file, finding.line, finding.column) if each)
        color = "red" if finding.severity == "error" else "yellow"
        yield (
            f"{palette.paint('bold', escape_line(place))}: "
            f"{palette.paint(color, finding.severity)}: {escape_line(finding.message)} "
            f"{palette.paint('dim', f'[{finding.rule}]')}"
        )
        yield from _frame(finding, sources, palette)
        if finding.hint:
            yield f"    {palette.paint('cyan', escape_line(finding.hint))}"
    counts = Counter(each.severity for each in findings)
    told = [f"{count} {severity}{'s' * (count > 1)}" for severity, count in sorted(counts.items())]
    yield " and ".join(told) if told else "nothing found"


def _frame(finding: "Finding", sources: dict[str, list[str]], palette: Palette) -> Iterator[str]:
    """Show the line, and a caret under the column."""
    if finding.line is None:
        return
    if finding.file not in sources:
        try:
            with open(finding.file, "rb") as file:
                text = file.read().decode("utf-8", "backslashreplace")
        except OSError:
            text = ""
        sources[finding.file] = text.split("\n")
    lines = sources[finding.file]
    if finding.line > len(lines):
        return
    line = lines[finding.line - 1].rstrip("\r").replace("\t", " ")
    head = f"{finding.line:>6} | "
    yield palette.paint("dim", head) + cut_line(line, 400)
    if finding.column is not None and finding.column <= 200:
        yield " " * (len(head) + finding.column - 1) + palette.paint("red", "^")


def _compare(session: Session, tree: "LintTree", form: str) -> int:
    """Show what the tree uses that limpet does not have."""
    from limpet.states.lint.checks.compatibility import uses_of

    uses = uses_of(tree)
    missing = [each for each in uses if each.status != "here"]
    if form != "text":
        write_document(
            [
                {
                    "file": each.file,
                    "line": each.line,
                    "kind": each.kind,
                    "name": each.name,
                    "status": each.status,
                    "hint": each.hint,
                }
                for each in missing
            ],
            form,
        )
    else:
        sys.stdout.writelines(f"{line}\n" for line in _compared(missing, len(uses), session))
    return int(ExitCode.FAILED if missing else ExitCode.OK)


def _compared(missing: "Sequence[Use]", total: int, session: Session) -> Iterator[str]:
    palette = session.palette
    for each in missing:
        hint = f" ({each.hint})" if each.hint else ""
        yield (
            f"{palette.paint('bold', escape_line(f'{each.file}:{each.line}'))}: {each.kind} "
            f"{palette.paint('yellow', escape_line(each.name))}: {each.status}{escape_line(hint)}"
        )
    if missing:
        yield ""
        counts = Counter((each.kind, each.name, each.status) for each in missing)
        for (kind, name, status), count in sorted(
            counts.items(), key=lambda each: (-each[1], each[0])
        ):
            yield f"{count:>6}  {kind} {escape_line(name)}: {status}"
    yield f"{total - len(missing)} of {total} uses are supported"
