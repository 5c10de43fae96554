"""The form of an SLS: ids, states, includes, extends, and the lists of requisites."""

from typing import Any, Final

from limpet.states.lint.checks.arguments import Arguments
from limpet.states.lint.checks.requisites import REQUISITE_KINDS, StateRequisites
from limpet.states.lint.checks.sources import Sources
from limpet.states.lint.findings import kind_of, meant, near
from limpet.states.lint.tree.names import Known
from limpet.states.lint.tree.view import View
from limpet.states.lint.unknown import MARK, is_unknown
from limpet.states.sls.yaml_source import Path

_TOP_KEYS: Final = ("include", "extend", "exclude")
_REACTOR: Final = frozenset(("local", "runner", "wheel", "caller"))


class Declarations:
    """Judges one SLS; notes its requisites in the view."""

    def __init__(self, view: View, known: Known, sources: Sources) -> None:
        self._view = view
        self._known = known
        self._sources = sources

    def check(self) -> None:
        """Look at everything in the document."""
        view = self._view
        for each in view.rendered.document.repeated:
            place = view.rendered.lines.place(*each.place)
            first = view.rendered.lines.place(each.first_line).line
            what = "the id" if not each.path else "the key"
            if MARK not in str(each.key):
                view.report.add(
                    "duplicate-key",
                    f"{what} '{each.key}' stands twice; the first is in line {first}",
                    view.file,
                    place.line,
                    place.column,
                )
        data = view.data
        if data is None or (isinstance(data, str) and is_unknown(data)):
            return
        if not isinstance(data, dict):
            if data not in ("", []):
                view.tell(
                    "sls-shape", f"the SLS is {kind_of(data)}, not a mapping of ids to states", ()
                )
            return
        self._includes(data.get("include"))
        if "exclude" in data and not isinstance(data["exclude"], list):
            view.tell("declaration-shape", "`exclude` must be a list", ("exclude",))
        if "extend" in data:
            self._extend(data["extend"])
        for name, body in data.items():
            if name not in _TOP_KEYS:
                self._declaration(name, body, (name,))

    def _includes(self, included: Any) -> None:  # noqa: ANN401
        if included is None:
            return
        if not isinstance(included, list):
            self._view.tell(
                "include-shape", f"`include` must be a list, not {kind_of(included)}", ("include",)
            )
            return
        for place, each in enumerate(included):
            inner = list(each.values())[-1] if isinstance(each, dict) and each else each
            if not isinstance(inner, str):
                self._view.tell(
                    "include-shape",
                    f"an entry of `include` is the name of an SLS, not {kind_of(inner)}",
                    ("include", place),
                )

    def _extend(self, extended: Any) -> None:  # noqa: ANN401
        if not isinstance(extended, dict):
            self._view.tell(
                "declaration-shape",
                "`extend` must be a mapping of ids",
                ("extend",),
                is_hint=extended is None and self._view.goes_on_in_jinja(("extend",)),
            )
            return
        for name, body in extended.items():
            self._declaration(name, body, ("extend", name), is_extension=True)

    def _declaration(
        self,
        name: Any,  # noqa: ANN401
        body: Any,  # noqa: ANN401
        path: Path,
        *,
        is_extension: bool = False,
    ) -> None:
        view = self._view
        if not isinstance(name, str):
            view.tell(
                "id-shape",
                f"the id {name!r} is {kind_of(name)}, not a text",
                path,
                hint="put it in quotes",
            )
            view.bad_ids.add(name)
            return
        if name.startswith("__") or is_unknown(name):
            return
        if isinstance(body, str) and "." in body and not is_unknown(body):
            self._function(name, *_split(body), path, is_value=True)
            return
        if not isinstance(body, dict):
            if not is_unknown(body):
                view.tell(
                    "declaration-shape",
                    f"the id '{name}' has {kind_of(body)} where its states should be",
                    path,
                    hint="" if body is not None else "lines below it may be indented too little",
                    is_hint=body is None and view.goes_on_in_jinja(path),
                )
            view.bad_ids.add(name)
            return
        self._states(name, body, path, is_extension)

    def _states(self, name: str, body: dict[Any, Any], path: Path, is_extension: bool) -> None:
        """Look at the states of one id."""
        view = self._view
        modules: dict[str, str] = {}
        for key, arguments in body.items():
            if not isinstance(key, str):
                view.tell("declaration-shape", f"'{key}' is no state", (*path, key))
                view.bad_ids.add(name)
                continue
            if key.startswith("__") or is_unknown(key):
                continue
            module, function = _split(key)
            if module in _REACTOR and function:
                return  # a reactor's file
            if module in modules and not is_extension:
                view.tell(
                    "repeated-module",
                    f"the id '{name}' has two states of the module '{module}': "
                    f"{modules[module]} and {key}",
                    (*path, key),
                    hint="give each an id of its own",
                )
                view.bad_ids.add(name)
            modules[module] = key
            self._state(name, key, arguments, (*path, key), is_extension)

    def _state(
        self,
        name: str,
        key: str,
        arguments: Any,  # noqa: ANN401
        path: Path,
        is_extension: bool,
    ) -> None:
        view = self._view
        module, function = _split(key)
        if arguments is None and function:
            view.tell(
                "declaration-shape",
                f"'{key}:' of '{name}' has nothing after its colon",
                path,
                hint=f"write '{name}: {key}' or '{key}: []'",
                is_hint=view.goes_on_in_jinja(path),
            )
            view.bad_ids.add(name)
            self._function(name, module, function, path)
            return
        if not isinstance(arguments, list):
            self._no_list(name, key, arguments, path)
            return
        if self._has_odd_words(name, arguments, path):
            return
        functions = [function] if function else []
        functions += [each for each in arguments if isinstance(each, str)]
        if is_unknown(functions):
            return
        self._number_of(functions, name, key, path, is_extension)
        chosen = functions[0] if functions else ""
        if chosen and not self._function(name, module, chosen, path):
            chosen = ""
        given = self._given(name, module, arguments, path)
        checker = Arguments(view, self._known, self._sources, name, module, chosen, path)
        checker.check(given, is_extension=is_extension)

    def _no_list(self, name: str, key: str, arguments: Any, path: Path) -> None:  # noqa: ANN401
        """Tell of a state that has something else where its list should be."""
        self._view.bad_ids.add(name)
        if is_unknown(arguments):
            return
        module, function = _split(key)
        if not self._is_state(key):
            self._function(name, module, function or "x", path)
        else:
            self._view.tell(
                "declaration-shape",
                f"the state '{key}' of '{name}' has {kind_of(arguments)} where the list of its "
                "arguments should be",
                path,
                hint="begin each argument with a dash" if isinstance(arguments, dict) else "",
            )

    def _has_odd_words(self, name: str, arguments: list[Any], path: Path) -> bool:
        """Tell of the first text in a state's list that can be neither function nor argument."""
        for place, each in enumerate(arguments):
            if isinstance(each, str) and " " in each.strip() and not is_unknown(each):
                self._view.tell(
                    "declaration-shape",
                    f"'{each}' is no function and no argument",
                    (*path, place),
                    hint="an argument has a colon, and a blank after it",
                )
                self._view.bad_ids.add(name)
                return True
        return False

    def _number_of(
        self, functions: list[str], name: str, key: str, path: Path, is_extension: bool
    ) -> None:
        """Tell of a state that names no function, or several."""
        view = self._view
        if not functions and not is_extension:
            if self._is_state(key):
                view.tell("no-function", f"the state '{key}' of '{name}' names no function", path)
            else:
                self._function(name, _split(key)[0], "x", path)
            view.bad_ids.add(name)
        elif len(functions) > 1:
            view.tell(
                "several-functions",
                f"the state '{key}' of '{name}' names {len(functions)} functions: "
                f"{', '.join(functions)}",
                path,
            )
            view.bad_ids.add(name)

    def _is_state(self, key: str) -> bool:
        """Say whether a key below an id is a state, as far as its module tells."""
        return key not in REQUISITE_KINDS and _split(key)[0] in self._known.state_modules()

    def _function(
        self, name: str, module: str, function: str, path: Path, *, is_value: bool = False
    ) -> bool:
        """Tell of a function that nobody has."""
        known, view = self._known, self._view
        full = f"{module}.{function}"
        if known.has_state(full):
            return True
        if not known.has_state_module(module):
            hint = ""
            if module in REQUISITE_KINDS or near(module, REQUISITE_KINDS, 0.9):
                hint = "as an argument of a state it is indented further, with a dash before it"
            view.tell(
                "unknown-state",
                f"there is no state module '{module}' (of '{name}')",
                path,
                hint=hint or meant(module, known.state_modules(), 0.6),
                is_value=is_value,
            )
        else:
            names = [each for each in known.state_names() if each.startswith(f"{module}.")]
            hint = meant(full, names, 0.6)
            view.tell(
                "unknown-state-function",
                f"there is no state function '{full}'",
                path,
                hint=hint or meant(full, known.state_names(), 0.7),
                is_value=is_value,
            )
        return False

    def _given(
        self, name: str, module: str, arguments: list[Any], path: Path
    ) -> dict[str, tuple[Any, Path]]:
        """Give all arguments by name, with their places; look at those that are requisites."""
        names = _names_of(name, arguments)
        requisites = StateRequisites(self._view, self._known, name, module, names)
        given: dict[str, tuple[Any, Path]] = {}
        for place, each in enumerate(arguments):
            if not isinstance(each, dict):
                if not isinstance(each, str):
                    self._view.tell(
                        "declaration-shape",
                        f"an argument of '{name}' is {kind_of(each)}, not `name: value`",
                        (*path, place),
                    )
                continue
            for key, value in each.items():
                here = (*path, place, key)
                if not isinstance(key, str) or is_unknown(key):
                    continue
                if key in given and key not in REQUISITE_KINDS:
                    before = given[key][0]
                    self._view.tell(
                        "repeated-argument",
                        f"the argument '{key}' of '{name}' stands twice; the last one counts",
                        here,
                        is_hint=before == value or isinstance(before, dict),
                    )
                given[key] = (value, here)
                if key in REQUISITE_KINDS:
                    requisites.check(key, value, here)
        return given


def _names_of(name: str, arguments: list[Any]) -> tuple[str, ...]:
    """Give all names that a state goes by: its id, `name` and `names`."""
    names = [name]
    for each in arguments:
        if isinstance(each, dict):
            names += [str(value) for key, value in each.items() if key == "name"]
            listed = each.get("names")
            for entry in listed if isinstance(listed, list) else ():
                names.append(str(next(iter(entry), "") if isinstance(entry, dict) else entry))
    return tuple(names)


def _split(dotted: str) -> tuple[str, str]:
    module, _, function = dotted.partition(".")
    return module, function.split(".")[0]
