"""`salt://` sources that states name, and the templates among them."""

from collections.abc import Mapping
from typing import Any, Final

from limpet.common.errors import SourceError, UsageError
from limpet.states.fileroots.names import parse_address
from limpet.states.fileroots.port import FileRoots
from limpet.states.lint.findings import near
from limpet.states.lint.tree.view import TemplateUse, View
from limpet.states.lint.unknown import is_unknown
from limpet.states.sls.yaml_source import Path

_FOLDERS: Final = frozenset(("file.recurse",))
_ARGUMENTS: Final = ("source", "sources", "key_url", "config", "identity", "init_script")
_NAMING: Final = frozenset(("cmd.script", "cmd.wait_script"))
_TEMPLATED: Final = frozenset(("file.append", "file.prepend", "file.blockreplace"))


class Sources:
    """Looks sources up in the roots; a tree is listed once for each environment."""

    def __init__(self, roots: FileRoots) -> None:
        self._roots = roots
        self._folders: dict[str, set[str]] = {}

    def of_state(
        self,
        view: View,
        module: str,
        function: str,
        name: str,
        given: Mapping[str, tuple[Any, Path]],
    ) -> None:
        """Look at all that a state takes out of the tree, and note the templates."""
        full = f"{module}.{function}"
        arguments = [*_ARGUMENTS, "name"] if full in _NAMING else list(_ARGUMENTS)
        for argument in arguments:
            if argument not in given:
                continue
            value, path = given[argument]
            if argument == "sources" and module == "pkg":
                value = [
                    next(iter(each.values())) for each in value or () if isinstance(each, dict)
                ]
            self._source(view, full, argument, value, path)
        if "template" in given and "source" in given:
            self._note_template(view, given)

    def _source(self, view: View, full: str, argument: str, value: Any, path: Path) -> None:  # noqa: ANN401
        listed = value if isinstance(value, list) else [value]
        texts = [
            next(iter(each), "") if isinstance(each, dict) and each else each for each in listed
        ]
        texts = [each for each in texts if isinstance(each, str)]
        if not texts or any(is_unknown(each) for each in texts):
            return
        wanted = [each for each in texts if each.startswith("salt://")]
        missing = [each for each in wanted if not self._is_there(each, full, view.environment)]
        is_choice = argument == "source" and isinstance(value, list) and len(value) > 1
        if not missing or (is_choice and len(missing) < len(texts)):
            return
        for each in missing[:1] if is_choice else missing:
            self._tell_missing(view, each, full, path)

    def _tell_missing(self, view: View, source: str, full: str, path: Path) -> None:
        line, _ = view.place(path, is_value=True)
        lines = view.text.splitlines()
        written = lines[line - 1] if line and line <= len(lines) else ""
        is_literal = source.removeprefix("salt://").partition("?")[0] in view.text
        known = (
            self._folders_of(view.environment)
            if full in _FOLDERS
            else self._roots.files(view.environment)
        )
        plain = source.removeprefix("salt://").partition("?")[0].strip("/")
        like = near(plain, known, 0.75)
        if not is_literal and "{{" in (written or "{{"):
            return  # worked out from values of the user's own
        what = "folder" if full in _FOLDERS else "file"
        view.tell(
            "missing-source",
            f"there is no {what} '{source}' in the tree",
            path,
            hint=f"did you mean 'salt://{like}'?" if like else "",
            is_value=True,
            severity="error" if is_literal else "warning",
        )

    def _is_there(self, source: str, full: str, environment: str) -> bool:
        try:
            address = parse_address(source.rstrip("/"))
        except UsageError:
            return full in _FOLDERS and source.rstrip("/") == "salt:"
        chosen = address.environment or environment
        if full in _FOLDERS:
            return address.path.strip("/") in self._folders_of(chosen)
        try:
            return self._roots.exists(address.path, chosen) or (
                address.path.strip("/") in self._folders_of(chosen)
            )
        except SourceError:
            return True

    def _folders_of(self, environment: str) -> set[str]:
        if environment not in self._folders:
            found: set[str] = set()
            for path in self._roots.files(environment):
                while "/" in path:
                    path = path.rpartition("/")[0]
                    found.add(path)
            self._folders[environment] = found
        return self._folders[environment]

    def _note_template(self, view: View, given: Mapping[str, tuple[Any, Path]]) -> None:
        if given["template"][0] != "jinja":
            return
        source = given["source"][0]
        names: frozenset[str] | None = frozenset()
        for argument in ("context", "defaults"):
            value = given.get(argument, ({}, ()))[0]
            if isinstance(value, list) and all(isinstance(each, dict) for each in value):
                value = {key: inner for each in value for key, inner in each.items()}
            if value is None:
                continue
            if not isinstance(value, dict):
                names = None
                break
            if names is not None:
                names |= frozenset(str(key) for key in value)
        extra = frozenset(key for key in given if isinstance(key, str))
        for each in source if isinstance(source, list) else [source]:
            text = next(iter(each), "") if isinstance(each, dict) and each else each
            if not isinstance(text, str) or not text.startswith("salt://") or is_unknown(text):
                continue
            try:
                address = parse_address(text)
            except UsageError:
                continue
            view.uses.append(
                TemplateUse(
                    address.path,
                    address.environment or view.environment,
                    None if names is None else names | extra,
                )
            )
