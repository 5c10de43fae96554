"""Reading a tree for lint: every SLS as text, with what its bytes, name and first line tell."""

import os
from dataclasses import dataclass
from typing import Final

from limpet.common.errors import SourceError
from limpet.states.fileroots.directories import DirectoryRoots
from limpet.states.fileroots.names import sls_of
from limpet.states.fileroots.port import SourceFile
from limpet.states.lint.checks import files
from limpet.states.lint.findings import Report, meant
from limpet.states.lint.tree.finding import LintTree, root_of
from limpet.states.lint.tree.names import salt_names
from limpet.states.sls.renderers import registry as renderers

FILES_MAX: Final = 20_000


@dataclass(slots=True)
class Source:
    """One SLS of the tree."""

    file: SourceFile
    name: str
    """For messages: where it is."""
    sls: str
    environment: str
    text: str
    pipe: list[str]
    is_judged: bool


def read(tree: LintTree, roots: DirectoryRoots, report: Report) -> list[Source]:
    """Read every SLS; tell of what can be seen in its bytes and its name."""
    found: list[Source] = []
    for environment in roots.environments():
        for root in roots.roots_of(environment):
            if os.path.isdir(root) and not tree.is_formula:
                files.check_links(root, report)
        listed = roots.files(environment)
        own = roots.roots_of(environment)
        named = [each for each in listed if sls_of(each) is not None][:FILES_MAX]
        judged = {
            each: root for each in named if tree.is_looked_at(each, root := root_of(each, own))
        }
        files.check_names(judged, report)
        for path in named:
            sls = sls_of(path) or ""
            source = _read_one(tree, roots, report, path, environment, sls, path in judged)
            if source is not None:
                found.append(source)
    return found


def _read_one(
    tree: LintTree,
    roots: DirectoryRoots,
    report: Report,
    path: str,
    environment: str,
    sls: str,
    is_judged: bool,
) -> Source | None:
    if not is_judged and tree.is_formula:
        return None
    try:
        file = roots.read(path, environment)
    except SourceError as error:
        report.add("unreadable", _without_place(error), error.path)
        return None
    if file is None:
        return None
    text = files.text_of(file.content, file.real_path, report)
    if text is None:
        return None
    pipe = _pipe(tree, report, text, file.real_path)
    if pipe[-1] == "py":
        files.check_python(text, file.real_path, report)
    if "yaml" in pipe:
        files.check_tabs(text, file.real_path, report)
    return Source(file, file.real_path, sls, environment, text, pipe, is_judged)


def _pipe(tree: LintTree, report: Report, text: str, file: str) -> list[str]:
    """Give the renderers of a file; tell of those that are not there."""
    first = text.split("\n", 1)[0].strip()
    names = renderers.names_in(text, str(tree.configuration.get("renderer") or renderers.DEFAULT))
    for name in names:
        # Those that Salt has and limpet has not: `--salt-compat` tells of them.
        if name not in renderers.NAMES and name not in salt_names().renderers:
            report.add(
                "unknown-renderer",
                f"there is no renderer '{name}'",
                file,
                1,
                first.find(name) + 1 or None,
                hint=meant(name, renderers.NAMES) or f"there are {', '.join(renderers.NAMES)}",
            )
    return names


def _without_place(error: SourceError) -> str:
    return str(error).removeprefix(f"{error.path}: ")
