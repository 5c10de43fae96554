"""The requisites of one state as they are written: lists, and what their entries name."""

from typing import Any, Final

from limpet.states.compiler.keywords import IN_REQUISITES, REQUISITES
from limpet.states.lint.findings import kind_of
from limpet.states.lint.tree.names import Known
from limpet.states.lint.tree.view import View, Written
from limpet.states.lint.unknown import is_unknown
from limpet.states.sls.yaml_source import Path

REQUISITE_KINDS: Final = frozenset(REQUISITES) | IN_REQUISITES | {
    "prereq_any", "onchanges_all", "watch_all", "require_all", "listen_in", "onfail_in",
}  # fmt: skip


class StateRequisites:
    """Judges the requisites of one state, and notes them in the view of its file."""

    def __init__(
        self, view: View, known: Known, name: str, module: str, names: tuple[str, ...]
    ) -> None:
        """`names` are those that the state has, its id among them."""
        self._view = view
        self._known = known
        self._name = name
        self._module = module
        self._names = names

    def check(self, kind: str, value: Any, path: Path) -> None:  # noqa: ANN401
        """Look at what stands after `require:` or its like."""
        if kind in ("watch", "watch_any") and not self._known.can_watch(self._module):
            self._view.tell(
                "watch-without-reaction",
                f"'{self._name}' watches, but states of '{self._module}' do not react: it is a "
                "`require`",
                path,
                is_hint=True,
            )
        for place, each in enumerate(self._entries(kind, value, path)):
            self._entry(kind, each, (*path, place))

    def _entries(self, kind: str, value: Any, path: Path) -> list[Any]:  # noqa: ANN401
        """Give the list; tell where it is none."""
        if isinstance(value, list):
            return value
        if is_unknown(value):
            return []
        if kind in IN_REQUISITES and isinstance(value, dict):
            return [{key: each} for key, each in value.items()]
        self._view.tell(
            "requisite-shape",
            f"'{kind}' of '{self._name}' must be a list, not {kind_of(value)}",
            path,
            hint="begin each of its lines with a dash",
            # Salt drops those that act on other states without a word.
            severity="warning" if kind in IN_REQUISITES else "error",
            is_hint=value is None and self._view.goes_on_in_jinja(path),
        )
        if kind not in IN_REQUISITES:
            self._view.bad_ids.add(self._name)
        return []

    def _entry(self, kind: str, entry: Any, path: Path) -> None:  # noqa: ANN401
        """Note what one entry names; tell of one that names nothing."""
        whose = f"'{kind}' of '{self._name}'"
        if isinstance(entry, str):
            key, target = "id", entry
        elif isinstance(entry, dict) and len(entry) == 1:
            key, target = next(iter(entry.items()))
        else:
            if not is_unknown(entry):
                self._refuse(f"an entry of {whose} is `module: id`, not {kind_of(entry)}", path)
            return
        if is_unknown([key, target]):
            return
        if not isinstance(target, str) or not isinstance(key, str):
            self._refuse(
                f"{whose} names {target!r}, {kind_of(target)}, not a text",
                path,
                "put it in quotes" if isinstance(target, int | float) else "",
            )
            return
        if "." in key:
            self._refuse(
                f"{whose} names '{key}', but a requisite has only the module",
                path,
                f"write '{key.split('.')[0]}: {target}'",
            )
            return
        self._view.requisites.append(
            Written(kind, key, target, path, self._name, self._module, self._names)
        )

    def _refuse(self, message: str, path: Path, hint: str = "") -> None:
        """Tell of an entry of a wrong form, and keep its state from the compiler."""
        self._view.tell("requisite-shape", message, path, hint=hint)
        self._view.bad_ids.add(self._name)
