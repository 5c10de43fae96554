"""The SLS that a minion is given, and all that they include, as one body of high data."""

import fnmatch
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from limpet.common.errors import SourceError
from limpet.states.compiler.declarations import High, declare, number
from limpet.states.fileroots.port import FileRoots
from limpet.states.sls.errors import RenderError
from limpet.states.sls.names import SlsNames
from limpet.states.sls.renderers import Renderers

FIRST_ORDER: Final = 10_000
INCLUDE_DEPTH_MAX: Final = 200
_RELATIVE: Final = re.compile(r"(\.+)(.*)\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a declaration stands."""

    path: str
    line: int | None


@dataclass(slots=True)
class Highstate:
    """High data, with what is wrong and where things stand."""

    high: High = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    places: dict[tuple[str, ...], Place] = field(default_factory=dict)
    """Where an id stands, by (id,), and its module, by (id, module as written)."""
    files: dict[str, str] = field(default_factory=dict)
    """The file of each SLS that was read, by `environment:sls`."""


class HighstateRenderer:
    """Renders SLS with their includes. For one compilation; numbers go on from file to file."""

    def __init__(
        self, roots: FileRoots, renderers: Renderers, names: SlsNames, *, is_ordering: bool = True
    ) -> None:
        self._roots = roots
        self._renderers = renderers
        self._names = names
        self._is_ordering = is_ordering
        self._order = FIRST_ORDER
        self._done: set[str] = set()
        self._made = Highstate()
        self._matches: Mapping[str, list[str]] = {}

    def render(self, matches: Mapping[str, list[str]]) -> Highstate:
        """Render the SLS of each environment; a name may be a wildcard."""
        self._matches = matches
        made = self._made
        environments = self._roots.environments()
        for environment, wanted in matches.items():
            for each in wanted:
                is_known = environment in environments
                if not is_known:
                    made.errors.append(
                        f"No matching salt environment for environment '{environment}' found"
                    )
                found = fnmatch.filter(self._names.available(environment), each)
                for sls in found or [each]:
                    if f"{environment}:{sls}" in self._done:
                        continue
                    high, errors = self._sls(sls, environment, 0)
                    _merge_high(made.high, high, errors)
                    missing = f"SLS {each} in saltenv"
                    made.errors += [
                        f"No matching sls found for '{each}' in env '{environment}'"
                        if "is not available" in error and missing in error
                        else error
                        for error in errors
                    ]
        _drop_repeated_extensions(made.high)
        return made

    def _sls(self, sls: str, environment: str, depth: int) -> tuple[High, list[str]]:
        """Render one SLS and what it includes; includes come before its own states."""
        try:
            path = self._names.path(sls, environment)
            file = None if path is None else self._roots.read(path, environment)
        except SourceError as error:
            self._done.add(f"{environment}:{sls}")
            return {}, [f"Rendering SLS '{environment}:{sls}' failed: {error}"]
        if file is None:
            return {}, [
                f"Specified SLS {sls} in saltenv {environment} is not available on the salt "
                "master or through a configured fileserver"
            ]
        errors: list[str] = []
        data: Any = None
        self._made.files[f"{environment}:{sls}"] = file.real_path
        try:
            document = self._renderers.source(file, environment, sls)
            data = document.data
            for way, line in document.lines.items():
                if len(way) <= 2:
                    self._made.places.setdefault(
                        tuple(str(step) for step in way), Place(file.real_path, line)
                    )
        except RenderError as error:
            errors.append(f"Rendering SLS '{environment}:{sls}' failed: {error.told}")
        except SourceError as error:
            errors.append(f"Rendering SLS '{environment}:{sls}' failed: {error}")
        self._done.add(f"{environment}:{sls}")
        if not data:
            return {}, errors
        if not isinstance(data, dict):
            errors.append(f"SLS {sls} does not render to a dictionary")
            if depth == 0:
                errors.append(f"Error when rendering state with contents: {str(data)[:1000]}")
            return {}, errors
        high, included, found = declare(data, sls, environment)
        errors += found
        for each in included:
            self._include(each, sls, environment, file.path, high, errors, depth)
        if self._is_ordering:
            self._order = number(high, self._order)
        return high, errors

    def _include(
        self,
        wanted: Any,  # noqa: ANN401
        sls: str,
        environment: str,
        path: str,
        high: High,
        errors: list[str],
        depth: int,
    ) -> None:
        """Render what one entry of `include` names into the high data of its SLS."""
        if depth >= INCLUDE_DEPTH_MAX:
            errors.append(f"Includes in SLS '{environment}:{sls}' are nested too deeply")
            return
        named, own = environment, wanted
        if isinstance(wanted, dict) and wanted:
            named, own = list(wanted.items())[-1]
        if not isinstance(own, str):
            errors.append(
                f"Badly formatted include {wanted} found in include in SLS '{environment}:{sls}'"
            )
            return
        if named not in self._roots.environments() and named != "_xenv":
            errors.append(
                f"Nonexistent saltenv '{named}' found in include of '{own}' within SLS "
                f"'{environment}:{sls}'"
            )
            return
        absolute = absolute_sls(own, sls, path)
        if absolute is None:
            errors.append(
                f"Attempted relative include of '{own}' within SLS '{environment}:{sls}' "
                "goes beyond top level package "
            )
            return
        chosen = self._environment_of(named, absolute, environment, errors)
        if chosen is None:
            return
        for each in fnmatch.filter(self._names.available(environment), absolute) or [absolute]:
            if f"{chosen}:{each}" in self._done:
                continue
            inner, found = self._sls(each, chosen, depth + 1)
            for body in inner.values():
                if isinstance(body, dict):
                    body.setdefault("__sls_included_from__", []).append(sls)
            _merge_high(high, inner, errors)
            errors += found

    def _environment_of(
        self, named: str, sls: str, environment: str, errors: list[str]
    ) -> str | None:
        """Give the environment to take an include from; `_xenv` means whichever has it."""
        if named != "_xenv":
            is_there = named in self._matches or fnmatch.filter(self._names.available(named), sls)
            found = [named] if is_there else []
        else:
            found = [
                each for each in self._matches if fnmatch.filter(self._names.available(each), sls)
            ]
        if len(found) == 1:
            return found[0]
        if environment in found:
            return environment
        if found:
            errors.append(
                f"Ambiguous include: Specified SLS {named}: {sls} is available on the salt master "
                f"in multiple available saltenvs: {', '.join(found)}"
            )
        else:
            where = ", ".join(self._matches) if named == "_xenv" else named
            errors.append(
                f"Unknown include: Specified SLS {named}: {sls} is not available on the salt "
                f"master in saltenv(s): {where} "
            )
        return None


def absolute_sls(wanted: str, sls: str, path: str) -> str | None:
    """Resolve `.x` and `..x` from the SLS that includes it; None where it leads too far up."""
    found = _RELATIVE.match(wanted)
    if found is None:
        return wanted
    levels, name = len(found.group(1)), found.group(2)
    parts = sls.split(".")
    if path.endswith("/init.sls"):
        parts.append("init")
    if levels > len(parts):
        return None
    return ".".join([*parts[:-levels], name])


def _merge_high(under: High, over: High, errors: list[str]) -> None:
    """Add high data to other high data; the same id twice is an error unless all is the same."""
    for key in ("__extend__", "__exclude__"):
        if key in over:
            under.setdefault(key, []).extend(over.pop(key))
    for name, body in over.items():
        if name in under and under[name] != body:
            known = under[name]
            if not isinstance(known, dict) or not isinstance(body, dict):
                errors.append(f"Error when rendering state with contents: {over}")
                continue
            errors.append(
                "Detected conflicting IDs, SLS IDs need to be globally unique.\n"
                f"    The conflicting ID is '{name}' and is found in SLS "
                f"'{known['__env__']}:{known['__sls__']}' and SLS "
                f"'{body['__env__']}:{body['__sls__']}'"
            )
    under.update(over)


def _drop_repeated_extensions(high: High) -> None:
    if "__extend__" not in high:
        return
    found: list[tuple[str, Any]] = []
    for extension in high["__extend__"]:
        for name, body in extension.items():
            if (name, body) not in found:
                found.append((name, body))
    high["__extend__"] = [{name: body} for name, body in found]
