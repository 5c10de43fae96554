"""A minion's pillar, from its top file to the merged data."""

import copy
import fnmatch
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from limpet.common.errors import SourceError
from limpet.states.compiler.matching import Matching
from limpet.states.compiler.top import Tops, TopSettings, read_tops
from limpet.states.fileroots.port import FileRoots
from limpet.states.pillar.external.registry import External
from limpet.states.pillar.merging import merge
from limpet.states.pillar.secrets import Masker, SecretKeys, marked_paths, secret_texts, unmarked
from limpet.states.sls.errors import RenderError
from limpet.states.sls.names import SlsNames
from limpet.states.sls.renderers import Renderers


@dataclass(frozen=True, slots=True, kw_only=True)
class PillarSettings:
    """What the configuration says about pillar, by Salt's names."""

    source_merging_strategy: str = "smart"
    merge_lists: bool = False
    includes_override_sls: bool = False
    safe_render_error: bool = True
    """Keep the text of a file that does not render out of what the minion is told."""
    external: Sequence[Any] = ()
    """`ext_pillar`."""
    is_external_first: bool = False
    """`ext_pillar_first`: files see what comes from elsewhere, and are laid over it."""
    secret_keys: SecretKeys = field(default_factory=SecretKeys)
    top: TopSettings = field(default_factory=TopSettings)


@dataclass(slots=True)
class Pillar:
    """A minion's pillar, and what was wrong on the way to it."""

    data: dict[str, Any]
    errors: list[str] = field(default_factory=list)
    """In Salt's words; with any of them no state runs."""
    problems: list[SourceError] = field(default_factory=list)
    """The same where they have a place: for the log and for the administrator."""
    secret_keys: SecretKeys = field(default_factory=SecretKeys)
    """Values below these are not to be shown."""
    secret_paths: list[list[Any]] = field(default_factory=list)
    """Nor are these, which pillar files mark."""
    places: dict[str, str] = field(default_factory=dict)
    """Of errors: `path:line` of the file at fault, where it is known."""
    language: dict[str, Any] = field(default_factory=dict)
    """What the master's configuration says of how states render (`LANGUAGE_KEYS`)."""

    @property
    def told(self) -> list[str]:
        """The errors with their places: what a run says that does not begin because of them."""
        return [
            f"{each} ({self.places[each]})" if each in self.places else each for each in self.errors
        ]

    @property
    def masker(self) -> Masker:
        """What hides this pillar's secrets."""
        secrets = secret_texts(self.data, self.secret_keys, self.secret_paths)
        return Masker(secrets, self.secret_keys)

    @property
    def items(self) -> dict[str, Any]:
        """The data with the errors under `_errors`, as `pillar.items` shows it."""
        return {**self.data, "_errors": list(self.errors)} if self.errors else self.data


def compile_pillar(
    roots: FileRoots,
    renderers: Renderers,
    matching: Matching,
    settings: PillarSettings,
    *,
    pillarenv: str | None = None,
    saltenv: str | None = None,
    override: Mapping[str, Any] | None = None,
    seed: Mapping[str, Any] | None = None,
    begin: Mapping[str, Any] | None = None,
    external: External | None = None,
    on_file: Callable[[str], None] | None = None,
) -> Pillar:
    """Compile pillar; `override` is laid over it at the end and seen by no file.

    `seed` is the pillar that the minion has already: keys that the files no longer set stay, as in
    a masterless Salt. A master gives none. `begin` is what the files are laid over; `external` is
    asked when they are done. `on_file` is told the path of each file before it is rendered.
    """
    made = _Compilation(roots, renderers, matching, settings, pillarenv, saltenv, on_file)
    data = made.run(dict(override or {} if begin is None else begin))
    if external is not None:
        data = external.extend(data)
        made.errors += external.errors
    pillar = Pillar(
        {**(seed or {}), **data},
        made.errors,
        made.problems,
        settings.secret_keys,
        places=made.places,
    )
    if override:
        pillar.data = merge(
            pillar.data,
            override,
            settings.source_merging_strategy,
            is_joining_lists=settings.merge_lists,
        )
    pillar.secret_paths = marked_paths(pillar.data)
    if pillar.secret_paths:
        pillar.data = unmarked(pillar.data)
    return pillar


class _Compilation:
    """One compilation: what has been rendered, and what went wrong."""

    def __init__(
        self,
        roots: FileRoots,
        renderers: Renderers,
        matching: Matching,
        settings: PillarSettings,
        pillarenv: str | None,
        saltenv: str | None,
        on_file: Callable[[str], None] | None,
    ) -> None:
        self._on_file = on_file
        self._roots = roots
        self._renderers = renderers
        self._matching = matching
        self._settings = settings
        self._pillarenv = pillarenv
        self._saltenv = saltenv
        self._names = SlsNames(roots)
        self._ignored: set[tuple[str, str]] = set()
        self._rendered: dict[str, Any] = {}
        self.errors: list[str] = []
        self.places: dict[str, str] = {}
        self.problems: list[SourceError] = []

    def run(self, data: dict[str, Any]) -> dict[str, Any]:
        """Render and merge everything that the top file gives this minion."""
        tops, late_errors = self._tops()
        matches = self._matches(tops)
        order = [name for name in self._settings.top.env_order if name in matches]
        for environment in [*order, *(name for name in matches if name not in order)]:
            self._rendered = {}
            for sls in self._files(matches[environment], environment):
                found = self._file(sls, environment, {})
                if isinstance(found, dict):
                    data = self._merged(data, found)
        self.errors += late_errors
        return data

    def _merged(self, under: Any, over: Any) -> Any:  # noqa: ANN401
        settings = self._settings
        return merge(
            under,
            over,
            settings.source_merging_strategy,
            is_joining_lists=settings.merge_lists,
        )

    def _tops(self) -> tuple[Tops, list[str]]:
        environments = self._roots.environments()
        if self._pillarenv and self._pillarenv not in environments:
            return Tops(), []
        chosen = self._pillarenv
        if chosen is None and self._settings.source_merging_strategy == "none":
            chosen = self._saltenv or "base"
        tops = read_tops(
            self._read_top,
            environments,
            chosen,
            self._settings.top,
            self._names.available,
            self._names.path,
        )
        self.problems += tops.problems
        errors = []
        for problem in tops.problems:
            error = f"Rendering Primary Top file failed, render error:\n{_told(problem)}"
            self._note_place(error, problem)
            errors.append(error)
        return tops, errors

    def _note_place(self, error: str, problem: SourceError) -> None:
        if problem.path:
            line = "" if problem.line is None else f":{problem.line}"
            self.places[error] = f"{problem.path}{line}"

    def _read_top(self, path: str, environment: str) -> Any:  # noqa: ANN401
        file = self._roots.read(path, environment)
        if file is not None and self._on_file is not None:
            self._on_file(file.real_path)
        return None if file is None else self._renderers.source(file, environment).data

    def _matches(self, tops: Tops) -> dict[str, list[str]]:
        """Give the files by environment; of a target in several top files the last one counts."""
        merged: dict[str, dict[str, tuple[int, list[Any]]]] = {}
        for found in tops.data.values():
            for top in found:
                if not isinstance(top, Mapping):
                    self.errors.append("Error encountered while rendering pillar top file.")
                    continue
                for environment, targets in top.items():
                    if not isinstance(targets, Mapping):
                        self.errors.append("Error encountered while rendering pillar top file.")
                        continue
                    for target, entry in targets.items():
                        merged.setdefault(environment, {})[target] = self._entry(
                            entry, str(environment)
                        )
        matches: dict[str, list[str]] = {}
        for environment, targets_of in merged.items():
            if self._pillarenv and environment != self._pillarenv:
                continue
            for target, (_order, entry) in sorted(targets_of.items(), key=lambda each: each[1][0]):
                if self._matching.confirms(str(target), entry):
                    names = matches.setdefault(environment, [])
                    names += [each for each in entry if isinstance(each, str) and each not in names]
        return matches

    def _entry(self, entry: Any, environment: str) -> tuple[int, list[Any]]:  # noqa: ANN401
        """Give the order of a target, and its matcher and files."""
        order = 0
        listed = entry if isinstance(entry, list | str) else []
        # A text is read letter by letter, as Salt does: no such file is there, and it says so.
        for each in listed:
            if isinstance(each, Mapping) and "order" in each:
                text = str(each["order"])
                order = int(text) if text.lstrip("-").isdigit() else 0
            if isinstance(each, Mapping) and each.get("ignore_missing"):
                self._ignored |= {(environment, one) for one in listed if isinstance(one, str)}
        return order, list(listed)

    def _files(self, wanted: list[str], environment: str) -> list[str]:
        found: list[str] = []
        for each in wanted:
            if environment not in self._roots.environments():
                self.errors.append(
                    f"No matching pillar environment for environment '{environment}' found"
                )
            found += fnmatch.filter(self._names.available(environment), each) or [each]
        return found

    def _file(self, sls: str, environment: str, variables: Mapping[str, Any]) -> Any:  # noqa: ANN401
        """Render one file with what it includes; None where there is nothing."""
        try:
            path = self._names.path(sls, environment)
            file = None if path is None else self._roots.read(path, environment)
        except SourceError as error:
            self.problems.append(error)
            self.errors.append(f"Rendering SLS '{sls}' failed, render error:\n{error}")
            self._rendered[sls] = None
            return None
        if file is None:
            is_known = environment in self._roots.environments()
            if is_known and (environment, sls) not in self._ignored:
                self.errors.append(
                    f"Specified SLS '{sls}' in environment '{environment}' is not"
                    " available on the salt master"
                )
            return None
        if self._on_file is not None:
            self._on_file(file.real_path)
        try:
            data = self._renderers.source(file, environment, sls, variables).data
        except SourceError as error:
            self.problems.append(error)
            detail = (
                f"Rendering SLS '{sls}' failed. Please see master log for details."
                if self._settings.safe_render_error
                else f"Rendering SLS '{sls}' failed, render error:\n{error}"
            )
            self.errors.append(detail)
            self._note_place(detail, error)
            data = None
        self._rendered[sls] = data
        if not data:
            return data
        if not isinstance(data, dict):
            self.errors.append(f"SLS '{sls}' does not render to a dictionary")
            return data
        return self._with_includes(data, sls, file.path, environment)

    def _with_includes(self, data: dict[Any, Any], sls: str, path: str, environment: str) -> Any:  # noqa: ANN401
        if "include" not in data:
            return data
        included = data["include"]
        if not isinstance(included, list):
            self.errors.append(f"Include Declaration in SLS '{sls}' is not formed as a list")
            return data
        del data["include"]
        parts: list[Any] = []
        variables: Mapping[str, Any] = {}
        for each in included:
            key = None
            name = each
            if isinstance(each, Mapping) and each:
                name, said = next(iter(each.items()))
                said = said if isinstance(said, Mapping) else {}
                variables = said.get("defaults") or {}
                key = said.get("key")
            for wanted in self._included(str(name), sls, path, environment):
                if wanted not in self._rendered:
                    found = self._file(wanted, environment, variables)
                else:
                    found = self._rendered[wanted]
                if not found:
                    continue
                for step in reversed(str(key).split(":") if key else []):
                    found = {step: found}
                parts.append(found)
        whole, *rest = [data, *parts] if self._settings.includes_override_sls else [*parts, data]
        for each in rest:
            whole = self._merged(whole, each)
        return copy.deepcopy(whole)

    def _included(self, name: str, sls: str, path: str, environment: str) -> list[str]:
        """Resolve an include: relative ones from the file that names them, wildcards to all."""
        available = self._names.available(environment)
        found = fnmatch.filter(available, name.lstrip(".").replace("/", "."))
        if name.startswith("."):
            above = sls.split(".") if path.endswith("/init.sls") else sls.split(".")[:-1]
            name = ".".join([*above, name[1:]])
        found += [each for each in fnmatch.filter(available, name) if each not in found]
        return found or [name]


def _told(problem: SourceError) -> str:
    return problem.told if isinstance(problem, RenderError) else str(problem)
