"""Which tree is meant: from the configuration, or a path into one."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from limpet.common.errors import UsageError
from limpet.states.fileroots.port import FileRoots

_STATES: Final = ("salt", "states", "state", "file_roots", "srv/salt", "srv/limpet/states")
_PILLARS: Final = ("pillar", "pillars", "pillar_roots", "srv/pillar", "srv/limpet/pillar")
_APART: Final = frozenset(
    ("test", "tests", "spec", "docs", "doc", "bin", "ci", "tools", "examples", "node_modules")
)
"""Folders of a formula's repository that are no states."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LintTree:
    """What is looked at."""

    file_roots: Mapping[str, list[str]]
    pillar_roots: Mapping[str, list[str]] = field(default_factory=dict)
    only: str = ""
    """Below this path alone; findings elsewhere are not told."""
    is_formula: bool = False
    """A repository of which only some folders are states."""
    configuration: Mapping[str, Any] = field(default_factory=dict)

    def is_elsewhere(self, path: str, roots: FileRoots) -> bool:
        """Say whether a path, or an SLS as a path, belongs to another formula than this one."""
        first = path.split("/", 1)[0]
        return self.is_formula and not any(
            each.startswith((f"{first}/", f"{first}.")) for each in roots.files("base")
        )

    def is_looked_at(self, path: str, root: str) -> bool:
        """Say whether a file of a root is judged; all files can be included and imported."""
        first = path.split("/", 1)[0]
        if first.startswith(".") or any(part == ".git" for part in path.split("/")):
            return False
        is_apart = first in _APART or "/" not in path
        if is_apart and path != "top.sls" and (self.is_formula or _is_repository(root)):
            return False
        full = os.path.join(root, path)
        return not self.only or full == self.only or full.startswith(f"{self.only}/")


def root_of(path: str, roots: Sequence[str]) -> str:
    """Give the first root that has a file; nothing where none has."""
    for root in roots:
        if os.path.lexists(os.path.join(root, path)):
            return root
    return ""


@cache
def _is_repository(where: str) -> bool:
    """Say whether a folder is the repository of a formula."""
    marks = ("FORMULA", "pillar.example", "kitchen.yml", ".git")
    return any(os.path.exists(os.path.join(where, each)) for each in marks)


def tree_of(configuration: Mapping[str, Any]) -> LintTree:
    """Give the tree of a configuration (`master.yaml` or `minion.yaml` as a mapping)."""
    return LintTree(
        file_roots=_roots(configuration.get("file_roots")),
        pillar_roots=_roots(configuration.get("pillar_roots")),
        configuration=configuration,
    )


def tree_at(path: str) -> LintTree:
    """Find the tree that a path is, or is in. Raises `UsageError`."""
    if not os.path.exists(path):
        raise UsageError(f"{path}: there is no such file or folder")
    where = os.path.abspath(path)
    if os.path.isfile(where):
        return _tree_with(_root_above(os.path.dirname(where)), where)
    found = _tree_below(where)
    if found is not None:
        return found
    root = _root_above(where)
    if root != where or _has_sls(where):
        return _tree_with(root, "" if root == where else where)
    raise UsageError(
        f"{path}: no tree of states is there: no top.sls, no folder with an init.sls, no *.sls"
    )


def _tree_with(root: str, only: str) -> LintTree:
    """Give the tree of a root: of states, or of pillar where it is called so."""
    if os.path.basename(root).startswith("pillar"):
        return LintTree(file_roots={}, pillar_roots={"base": [root]}, only=only)
    return LintTree(file_roots={"base": [root]}, only=only)


def is_tree(path: str) -> bool:
    """Say whether a folder looks like a tree of states."""
    return _tree_below(os.path.abspath(path)) is not None


def _tree_below(where: str) -> LintTree | None:
    pillar = next((each for each in _PILLARS if os.path.isdir(os.path.join(where, each))), "")
    states = next((each for each in _STATES if _is_root(os.path.join(where, each))), "")
    if os.path.basename(where).startswith("pillar") and _has_sls(where):
        return _tree_with(where, "")
    if os.path.isfile(os.path.join(where, "top.sls")) and not states:
        sibling = os.path.join(os.path.dirname(where), "pillar")
        roots = {"base": [sibling]} if os.path.isdir(sibling) and not pillar else {}
        if pillar:
            roots = {"base": [os.path.join(where, pillar)]}
        return LintTree(file_roots={"base": [where]}, pillar_roots=roots)
    is_repository = _is_repository(where)
    if states and (pillar or not is_repository):
        base = os.path.join(where, states)
        environments = {"base": [base]}
        if not os.path.isfile(os.path.join(base, "top.sls")):
            inner = os.path.join(base, "base")
            if _is_root(inner):
                environments = _environments(base)
        beside = {"base": [os.path.join(where, pillar)]} if pillar else {}
        return LintTree(file_roots=environments, pillar_roots=beside)
    if os.path.isfile(os.path.join(where, "init.sls")):
        return LintTree(file_roots={"base": [_root_above(where)]}, only=where)
    if tops := _folders_with_top(where):
        own = {name: [folder] for name, folder in tops.items() if name[:6] != "pillar"}
        found = [path for name, path in tops.items() if name.startswith("pillar")]
        pillars = {"base": found} if found else {}
        if len(own) == 1:
            own = {"base": next(iter(own.values()))}
        if own:
            return LintTree(file_roots=own, pillar_roots=pillars)
    with os.scandir(where) as entries:
        folders = [
            each.name
            for each in entries
            if each.is_dir() and each.name not in _APART and _has_sls(each.path)
        ]
    if folders:
        return LintTree(file_roots={"base": [where]}, is_formula=is_repository)
    return LintTree(file_roots={"base": [where]}) if _has_sls(where) else None


def _folders_with_top(where: str) -> dict[str, str]:
    """Give the folders right here that hold a top file, by name."""
    with os.scandir(where) as entries:
        return {
            each.name: each.path
            for each in sorted(entries, key=lambda entry: entry.name)
            if each.is_dir()
            and each.name not in _APART
            and os.path.isfile(os.path.join(each.path, "top.sls"))
        }


def _environments(base: str) -> dict[str, list[str]]:
    with os.scandir(base) as entries:
        names = sorted(each.name for each in entries if each.is_dir() and each.name[0] not in "._")
    return {name: [os.path.join(base, name)] for name in names}


def _is_root(path: str) -> bool:
    """Say whether a folder holds SLS, directly or one folder down."""
    if not os.path.isdir(path):
        return False
    if _has_sls(path):
        return True
    with os.scandir(path) as entries:
        return any(each.is_dir() and _has_sls(each.path) for each in entries)


def _has_sls(path: str) -> bool:
    with os.scandir(path) as entries:
        return any(each.name.endswith(".sls") and each.is_file() for each in entries)


def _root_above(folder: str) -> str:
    """Give the root of a folder: where the top file is, else the first that is no SLS itself."""
    here = folder
    while os.path.dirname(here) != here:
        if os.path.isfile(os.path.join(here, "top.sls")):
            return here
        here = os.path.dirname(here)
    here = folder
    while os.path.isfile(os.path.join(here, "init.sls")) and os.path.dirname(here) != here:
        here = os.path.dirname(here)
    return here


def _roots(value: Any) -> dict[str, list[str]]:  # noqa: ANN401
    if not isinstance(value, Mapping):
        return {}
    return {str(name): list(map(str, paths)) for name, paths in value.items()}
