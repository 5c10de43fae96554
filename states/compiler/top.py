"""Top files: read from each environment, merged by strategy, checked, matched against the minion.

Used for states and, with simpler rules, for pillar (`states/pillar/compile.py`).
"""

import fnmatch
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from limpet.common.errors import SourceError
from limpet.states.compiler.matching import Matching

Top = dict[str, dict[str, Any]]
"""Targets by environment, each with its list of SLS."""
ReadTop = Callable[[str, str], Any]
"""(path, environment) -> the data of that file, None where there is none. Raises `SourceError`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopSettings:
    """What the configuration says about top files, by Salt's names."""

    state_top: str = "top.sls"
    state_top_saltenv: str | None = None
    strategy: str = "merge"
    """`merge`, `same` or `merge_all`."""
    env_order: tuple[str, ...] = ()
    default_top: str = "base"


class NoTargets(SourceError):
    """A top file is no mapping of environments to targets."""


@dataclass(slots=True)
class Tops:
    """The top files of all environments."""

    data: dict[str, list[Any]] = field(default_factory=dict)
    problems: list[SourceError] = field(default_factory=list)
    """Files that do not render."""


def read_tops(
    read: ReadTop,
    environments: list[str],
    saltenv: str | None,
    settings: TopSettings,
    states_of: Callable[[str], list[str]],
    paths_of: Callable[[str, str], str | None],
) -> Tops:
    """Read the top file of each environment, and those that it includes.

    `states_of` lists the SLS of an environment, `paths_of` finds the file of one.
    """
    tops = Tops()
    if saltenv:
        chosen = [saltenv]
    elif settings.state_top_saltenv:
        chosen = [settings.state_top_saltenv]
    else:
        chosen = environments
    for environment in chosen:
        data = _read(read, settings.state_top.removeprefix("salt://"), environment, tops)
        tops.data.setdefault(environment, []).append({} if data is None else data)
    done: set[tuple[str, str]] = set()
    for environment, found in tops.data.items():
        for top in found:  # grows while included files are appended
            included = top.pop("include", None) if isinstance(top, dict) else None
            for wanted in included if isinstance(included, list) else ():
                for sls in fnmatch.filter(states_of(environment), str(wanted)):
                    if (environment, sls) in done:
                        continue
                    done.add((environment, sls))
                    path = paths_of(sls, environment)
                    data = None if path is None else _read(read, path, environment, tops)
                    if data is not None:
                        found.append(data)
    return tops


def _read(read: ReadTop, path: str, environment: str, tops: Tops) -> Any:  # noqa: ANN401
    try:
        return read(path, environment)
    except SourceError as error:
        tops.problems.append(error)
        return None


def merge_tops(tops: Mapping[str, list[Any]], settings: TopSettings) -> Top:
    """Make one top of all. Raises `NoTargets`; an unknown strategy is `merge`, as in Salt."""
    if settings.strategy == "same":
        return _merge_same(tops, settings.default_top)
    if settings.strategy == "merge_all":
        return _merge_all(tops)
    return _merge(tops)


def _sections(top: Any) -> list[tuple[Any, Any]]:  # noqa: ANN401
    if not isinstance(top, Mapping):
        raise NoTargets("a top file is a mapping of environments to targets", "top.sls")
    return [(name, targets) for name, targets in top.items() if name != "include"]


def _add(merged: Top, environment: Any, targets: Any) -> None:  # noqa: ANN401
    if not isinstance(targets, Mapping):
        raise NoTargets("Unable to render top file. No targets found.", "top.sls")
    merged.setdefault(environment, {}).update(targets)


def _merge(tops: Mapping[str, list[Any]]) -> Top:
    """Let `base` decide; of other files only their own section counts, if base has none for it."""
    merged: Top = {}
    for top in tops.get("base", ()):
        for environment, targets in _sections(top):
            _add(merged, environment, targets)
    for own, found in tops.items():
        if own == "base":
            continue
        for top in found:
            for environment, targets in _sections(top):
                if environment == own and environment not in merged:
                    _add(merged, environment, targets)
    return merged


def _merge_same(tops: Mapping[str, list[Any]], default: str) -> Top:
    """Each environment's own file decides; one without a file takes the default's section."""
    merged: Top = {}
    for own, found in tops.items():
        is_empty = all(not top for top in found)
        for top in tops.get(default, ()) if is_empty else found:
            for environment, targets in _sections(top):
                if environment == own:
                    _add(merged, environment, targets)
    return merged


def _merge_all(tops: Mapping[str, list[Any]]) -> Top:
    """All sections of all files; the same target twice has the SLS of both."""
    merged: Top = {}
    for found in tops.values():
        for top in found:
            for environment, targets in _sections(top):
                if not isinstance(targets, Mapping):
                    raise NoTargets("Unable to render top file. No targets found.", "top.sls")
                section = merged.setdefault(environment, {})
                for target, data in targets.items():
                    known = section.get(target)
                    section[target] = data if known is None else _joined(known, data)
    return merged


def _joined(first: Any, second: Any) -> list[Any]:  # noqa: ANN401
    def matcher(data: Any) -> list[Any]:  # noqa: ANN401
        return [each for each in data if isinstance(each, Mapping)][-1:]

    states = [each for each in first if isinstance(each, str)]
    states += [each for each in second if isinstance(each, str) and each not in states]
    return [*(matcher(second) or matcher(first)), *states]


def verify_top(top: Top) -> list[str]:
    """Check the form of a merged top; errors in Salt's words."""
    errors = []
    for environment, targets in top.items():
        if not isinstance(environment, str):
            errors.append(f"Environment {environment} in top file is not formed as a string")
        if environment == "":
            errors.append("Empty saltenv statement in top file")
        for target, data in targets.items():
            if not isinstance(data, list):
                errors.append(
                    f"Malformed topfile: state declarations for matcher {target!r} in saltenv "
                    f"{environment!r} are not formed as a list (got {type(data).__name__})"
                )
                continue
            for each in data:
                if isinstance(each, Mapping):
                    errors += [
                        f"Improperly formatted top file matcher in saltenv {each}: {value} file"
                        for value in each.values()
                        if not value
                    ]
                elif each == "":
                    errors.append(f"Environment {environment} contains an empty sls index")
    return errors


def match_top(
    top: Top, saltenv: str | None, environments: list[str], matching: Matching
) -> dict[str, list[str]]:
    """Give the SLS for this minion, by environment, in the order of the files."""
    matches: dict[str, list[str]] = {}
    for environment, targets in top.items():
        if saltenv and environment != saltenv:
            continue
        for target, data in targets.items():
            _match_entry(target, data, environment, environments, matching, matches)
    return matches


def _match_entry(
    target: Any,  # noqa: ANN401
    data: Any,  # noqa: ANN401
    environment: str,
    environments: list[str],
    matching: Matching,
    matches: dict[str, list[str]],
) -> None:
    # As in Salt, of a mapping its keys are the SLS.
    listed = [data] if isinstance(data, str) else list(data) if _is_many(data) else []
    if not matching.confirms(str(target), listed):
        return
    matches.setdefault(environment, [])
    for each in listed:
        if isinstance(each, str):
            matches[environment].append(each)
        elif isinstance(each, Mapping) and "subfilter" in each:
            for inner, inner_data in each["subfilter"].items():
                _match_entry(inner, inner_data, environment, environments, matching, matches)
        elif isinstance(each, Mapping) and each:
            # `- dev: web` takes an SLS of another environment; `- match: …` names none.
            other, sls = list(each.items())[-1]
            if other in environments and isinstance(sls, str):
                matches.setdefault(other, []).append(sls)


def _is_many(data: Any) -> bool:  # noqa: ANN401
    return isinstance(data, list | Mapping)
