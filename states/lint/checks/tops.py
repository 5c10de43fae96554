"""Top files, of states and of pillar: environments, targets, matchers, names of SLS."""

import fnmatch
from collections.abc import Mapping, Sequence
from typing import Any, Final

from limpet.common.control.requests import TargetKind
from limpet.common.errors import UsageError
from limpet.common.targeting.target import compile_target
from limpet.states.lint.checks.closures import Key
from limpet.states.lint.findings import meant
from limpet.states.lint.tree.view import View
from limpet.states.lint.unknown import is_unknown
from limpet.states.sls.names import SlsNames
from limpet.states.sls.yaml_source import Path

MATCHERS: Final[dict[str, TargetKind]] = {
    "compound": "compound",
    "glob": "glob",
    "grain": "grain",
    "grain_pcre": "grain_pcre",
    "ipcidr": "ipcidr",
    "list": "list",
    "nodegroup": "nodegroup",
    "pcre": "pcre",
    "pillar": "grain",
    "pillar_exact": "grain",
    "pillar_pcre": "grain_pcre",
}
_OTHER_KEYS: Final = frozenset(("match", "order", "ignore_missing", "subfilter"))


class TopFile:
    """Judges one top file; gives the SLS that each target has."""

    def __init__(
        self,
        view: View,
        names: SlsNames,
        environments: Sequence[str],
        nodegroups: Mapping[str, str | Sequence[str]],
        *,
        is_pillar: bool,
    ) -> None:
        self._view = view
        self._names = names
        self._environments = environments
        self._nodegroups = nodegroups
        self._is_pillar = is_pillar

    def check(self) -> list[list[Key]]:
        """Look at everything; give by target what is applied together."""
        view = self._view
        view.tell_repeated()
        data = view.data
        if not data or is_unknown(data):
            return []
        if not isinstance(data, dict):
            view.tell("top-shape", "a top file is a mapping of environments to targets", ())
            return []
        found: list[list[Key]] = []
        for environment, targets in data.items():
            if environment == "include":
                continue
            path = (environment,)
            if not isinstance(environment, str):
                view.tell("top-shape", f"the environment {environment!r} is no text", path)
                continue
            if environment not in self._environments:
                view.tell(
                    "unknown-environment",
                    f"there is no environment '{environment}'",
                    path,
                    hint=meant(environment, self._environments)
                    or f"there are {', '.join(self._environments)}",
                )
            if not isinstance(targets, dict):
                view.tell(
                    "top-shape", f"the environment '{environment}' has no mapping of targets", path
                )
                continue
            for target, entries in targets.items():
                found.append(self._target(target, entries, environment, (environment, target)))
        return found

    def _target(self, target: Any, entries: Any, environment: str, path: Path) -> list[Key]:  # noqa: ANN401
        view = self._view
        if not isinstance(entries, list):
            if not (isinstance(entries, str) and self._is_pillar) and not is_unknown(entries):
                view.tell("top-shape", f"the SLS of the target '{target}' are no list", path)
            return []
        matcher = "compound"
        found: list[Key] = []
        for place, each in enumerate(entries):
            here = (*path, place)
            if is_unknown(each):
                continue
            if isinstance(each, str):
                found += self._sls(each, environment, here)
            elif isinstance(each, dict):
                matcher = str(each.get("match", matcher))
                found += self._mapping(each, here)
            else:
                view.tell(
                    "top-shape", f"an entry of the target '{target}' is no name of an SLS", here
                )
        if matcher not in MATCHERS:
            view.tell(
                "top-target",
                f"there is no matcher '{matcher}' (of the target '{target}')",
                path,
                hint=meant(matcher, MATCHERS),
            )
            return found
        try:
            compile_target(str(target), MATCHERS[matcher], self._nodegroups)
        except UsageError as error:
            is_pillar_term = matcher == "compound" and any(
                sign in str(target) for sign in ("I@", "J@")
            )
            if not is_pillar_term:
                view.tell("top-target", f"the target '{target}': {error}", path)
        return found

    def _mapping(self, entry: dict[Any, Any], path: Path) -> list[Key]:
        view = self._view
        found: list[Key] = []
        for key, value in entry.items():
            if key == "subfilter" and isinstance(value, dict):
                for target, entries in value.items():
                    found += self._target(target, entries, "base", (*path, key, target))
            elif key in _OTHER_KEYS:
                if not value and key == "match":
                    view.tell("top-shape", "`match` names no matcher", path)
            elif key in self._environments and isinstance(value, str):
                found += self._sls(value, key, path)
            else:
                view.tell(
                    "top-shape",
                    f"'{key}' is neither `match` nor an environment",
                    path,
                    hint=meant(str(key), [*_OTHER_KEYS, *self._environments]),
                )
        return found

    def _sls(self, wanted: str, environment: str, path: Path) -> list[Key]:
        if environment not in self._environments:
            return []
        found = fnmatch.filter(self._names.available(environment), wanted)
        if not found:
            self._view.tell(
                "top-missing-sls",
                f"there is no SLS '{wanted}' in the environment '{environment}'",
                path,
                hint=meant(wanted, self._names.available(environment)),
            )
        return [(environment, each) for each in found]
