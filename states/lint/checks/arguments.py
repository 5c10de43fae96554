"""The arguments of one state: names, types, and values that can't be meant so."""

import re
from collections.abc import Mapping
from typing import Any, Final

from limpet.states.functions.arguments import Mismatch, convert
from limpet.states.library import registry as states
from limpet.states.lint.checks.sources import Sources
from limpet.states.lint.findings import meant, near
from limpet.states.lint.tree.names import Known
from limpet.states.lint.tree.view import View
from limpet.states.lint.unknown import is_unknown
from limpet.states.sls.yaml_source import Path

RUNTIME: Final = states.RUNTIME_KEYWORDS | {
    "name", "names", "sfun", "listen_in", "onchanges_all", "onlyif", "unless", "prereq_any",
    "failhard", "__env__", "__sls__", "env", "user", "timeout", "reload_modules", "require_all",
    "watch_all", "order", "kwargs", "connection_user", "connection_pass",
}  # fmt: skip
_CONFUSED: Final = {
    "owner": "user",
    "uid": "user",
    "gid": "group",
    "permissions": "mode",
    "perms": "mode",
    "src": "source",
    "file": "source",
    "content": "contents",
    "text": "contents",
    "vars": "context",
    "variables": "context",
    "packages": "pkgs",
    "package": "pkgs",
    "command": "name",
    "cmd": "name",
    "dir": "cwd",
    "directory": "cwd",
    "enabled": "enable",
    "started": "enable",
    "environment": "env",
    "mkdir": "makedirs",
    "parents": "makedirs",
}
"""What other tools call an argument."""
_PLAIN_MODULES: Final = frozenset(("archive", "cmd", "cron", "file", "git", "service", "user"))
_TEXTS: Final = frozenset(
    ("user", "group", "runas", "cwd", "template", "encoding", "shell", "home")
)
_FLAGS: Final = frozenset(("makedirs", "replace", "force", "enable", "follow_symlinks", "backup"))
_MODES: Final = frozenset(("mode", "file_mode", "dir_mode"))
_MODE: Final = re.compile(r"0?[0-7]{3,4}\Z")
_KINDS_NEAR: Final = (
    "require", "require_in", "require_any", "watch", "watch_in", "watch_any", "onchanges",
    "onchanges_in", "onchanges_any", "onfail", "onfail_in", "onfail_any", "onfail_all", "listen",
    "listen_in", "prereq", "prereq_in", "use", "use_in", "unless", "onlyif",
)  # fmt: skip
_RETRY: Final[dict[str, tuple[type, ...]]] = {
    "until": (bool,),
    "attempts": (int,),
    "interval": (int,),
    "splay": (int,),
}
_CRON: Final = {
    "minute": (0, 59),
    "hour": (0, 23),
    "daymonth": (1, 31),
    "month": (1, 12),
    "dayweek": (0, 7),
}
_CRON_WORDS: Final = frozenset(
    (
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
        "mon", "tue", "wed", "thu", "fri", "sat", "sun", "random",
    )
)  # fmt: skip


class Arguments:
    """Judges the arguments of one state."""

    def __init__(
        self,
        view: View,
        known: Known,
        sources: Sources,
        name: str,
        module: str,
        function: str,
        path: Path,
    ) -> None:
        self._view = view
        self._known = known
        self._sources = sources
        self._name = name
        self._module = module
        self._function = function
        self._path = path
        self._full = f"{module}.{function}"

    def check(self, given: Mapping[str, tuple[Any, Path]], *, is_extension: bool) -> None:
        """Look at all of them. `given`: value and place by name."""
        for key, (value, path) in given.items():
            self._runtime(key, value, path)
        if not self._function:
            return
        self._names(given)
        if not is_extension and "use" not in given:
            self._missing(given)
        self._types(given)
        self._plain_types(given)
        for key, (value, path) in given.items():
            if not is_unknown(value):
                self._value(key, value, path)
        self._sources.of_state(self._view, self._module, self._function, self._name, given)

    def _tell(self, rule: str, message: str, path: Path, hint: str = "", **more: Any) -> None:  # noqa: ANN401
        self._view.tell(rule, message, path, hint=hint, **more)

    # Names

    def _names(self, given: Mapping[str, tuple[Any, Path]]) -> None:
        found = self._known.arguments_of(self._full)
        for key, (_, path) in given.items():
            if key in RUNTIME or key.startswith("__") or (found and key in found[0]):
                continue
            like = near(key, _KINDS_NEAR, 0.8)
            if like and key[0] != like[0]:
                like = ""  # `match` and `batch` are other words, no slips for `watch`
            if like and not (found and near(key, found[0], 0.9)):
                self._tell(
                    "unknown-requisite-kind",
                    f"'{key}' of '{self._name}' is no requisite",
                    path,
                    f"did you mean '{like}'?",
                )
                continue
            if found is None or self._full in ("module.run", "module.wait"):
                continue
            arguments, takes_more = found
            like = near(key, arguments, 0.8)
            if not like and _CONFUSED.get(key, "") in arguments:
                like = _CONFUSED[key]
            self._tell(
                "unknown-argument",
                f"{self._full} has no argument '{key}'",
                path,
                f"did you mean '{like}'?" if like else meant(key, arguments, 0.6),
                # Salt takes it without a word, and trees in the wild are full of them.
                is_hint=takes_more and not like,
            )

    def _missing(self, given: Mapping[str, tuple[Any, Path]]) -> None:
        own = states.find(self._full)
        if own is None:
            return
        there = {*given, "name"}
        listed = given.get("names", ([], ()))[0]
        for each in listed if isinstance(listed, list) else ():
            if isinstance(each, dict) and each:
                inner = next(iter(each.values()))
                for one in inner if isinstance(inner, list) else [inner]:
                    there.update(one if isinstance(one, dict) else ())
        for missing in own.missing(dict.fromkeys(there)):
            self._tell(
                "missing-argument",
                f"{self._full} of '{self._name}' needs the argument '{missing}'",
                self._path,
            )

    # Types

    def _types(self, given: Mapping[str, tuple[Any, Path]]) -> None:
        own = states.find(self._full)
        if own is None:
            return
        for parameter in own.signature.parameters:
            if parameter.name not in given:
                continue
            value, path = given[parameter.name]
            if value is None or is_unknown(value) or parameter.name in _MODES:
                continue
            if parameter.name == "name":
                if isinstance(value, dict | list):
                    self._tell(
                        "argument-type",
                        f"'name' of '{self._name}' is no text, so the id is taken for it",
                        path,
                        "several names stand in 'names', packages in 'pkgs'",
                        severity="warning",
                        is_hint=not self._view.is_primary,
                    )
                continue
            try:
                convert(value, parameter.annotation)
            except Mismatch as mismatch:
                self._tell(
                    "argument-type",
                    f"the argument '{parameter.name}' of {self._full} is {mismatch}, "
                    f"not {repr(value)[:60]}",
                    path,
                    _quote_hint(value),
                )

    def _plain_types(self, given: Mapping[str, tuple[Any, Path]]) -> None:
        """Look at arguments that are the same everywhere; functions may take them loosely."""
        for key, (value, path) in given.items():
            is_wrong = isinstance(value, list | dict) and key in (_TEXTS | _FLAGS)
            if is_wrong and self._module in _PLAIN_MODULES and not is_unknown(value):
                expected = "a text" if key in _TEXTS else "true or false"
                self._tell(
                    "argument-type",
                    f"the argument '{key}' of {self._full} must be {expected}",
                    path,
                    _quote_hint(value),
                )

    # Values that any state may have

    def _runtime(self, key: str, value: Any, path: Path) -> None:  # noqa: ANN401
        if is_unknown(value):
            return
        if key == "names" and not isinstance(value, list):
            self._tell("argument-type", f"'names' of '{self._name}' is a list", path)
            self._view.bad_ids.add(self._name)
        elif key == "order":
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number and value not in ("first", "last"):
                self._tell(
                    "order",
                    f"'order' of '{self._name}' is {value!r}; a number, 'first' or 'last' is meant",
                    path,
                    "take the quotes away" if str(value).isdigit() else "",
                )
        elif key in ("unless", "onlyif"):
            self._condition(key, value, path)
        elif key in ("check_cmd", "creates"):
            listed = value if isinstance(value, list) else [value]
            if key == "check_cmd" and isinstance(value, bool):
                return
            for each in listed:
                if not isinstance(each, str):
                    self._tell(
                        "condition-shape",
                        f"'{key}' of '{self._name}' is a text or a list of texts",
                        path,
                    )
        elif key == "retry":
            self._retry(value, path)

    def _condition(self, key: str, value: Any, path: Path) -> None:  # noqa: ANN401
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, str | bool | int) or each is None:
                continue
            if isinstance(each, dict):
                function = each.get("fun")
                if isinstance(function, str):
                    if not self._known.has_function(function):
                        self._tell(
                            "unknown-function",
                            f"'{key}' of '{self._name}' calls '{function}', which nobody has",
                            path,
                            meant(function, self._known.function_names(), 0.7),
                        )
                    continue
                hint = "a function is called with `fun: module.function`"
            else:
                hint = ""
            self._tell(
                "condition-shape",
                f"'{key}' of '{self._name}' is a command, a list of them, or a mapping with 'fun'",
                path,
                hint,
                is_hint="{{" in self._view.written_at(path),
            )

    def _retry(self, value: Any, path: Path) -> None:  # noqa: ANN401
        if isinstance(value, bool):
            return
        listed = value if isinstance(value, list) else [value]
        if not all(isinstance(each, dict) for each in listed):
            self._tell("retry", f"'retry' of '{self._name}' is a mapping", path)
            return
        for key, inner in ((key, inner) for each in listed for key, inner in each.items()):
            kinds = _RETRY.get(str(key))
            if kinds is None:
                self._tell(
                    "retry",
                    f"'retry' of '{self._name}' has no '{key}'",
                    path,
                    meant(str(key), _RETRY),
                )
            elif not is_unknown(inner) and (
                not isinstance(inner, kinds) or (kinds == (int,) and isinstance(inner, bool))
            ):
                expected = "true or false" if kinds == (bool,) else "a number"
                self._tell(
                    "retry",
                    f"'{key}' in 'retry' of '{self._name}' is {expected}, not {inner!r}",
                    path,
                )

    # Values of certain arguments

    def _value(self, key: str, value: Any, path: Path) -> None:  # noqa: ANN401
        if key in _MODES and self._module == "file" and self._function != "line":
            self._mode(key, value, path)
        elif self._full == "cron.present" and key in _CRON:
            self._cron(key, value, path)
        elif self._module == "module" and self._function in ("run", "wait", "watch"):
            self._module_run(key, value, path)

    def _mode(self, key: str, value: Any, path: Path) -> None:  # noqa: ANN401
        if value is None or value in ("keep", ""):
            return
        text = str(value)
        if isinstance(value, bool | float) or not isinstance(value, int | str):
            self._tell(
                "file-mode", f"'{key}' of '{self._name}' is {value!r}, no file mode", path,
                "write it in quotes, as in '0644'",
            )  # fmt: skip
        elif isinstance(value, int) and value == 0:
            return
        elif not _MODE.match(text):
            octal = re.fullmatch(r"0o([0-7]{3,4})", text)
            hint = "write it in quotes, as in '0644'"
            if octal:
                hint = (
                    f"write '0{octal.group(1)[-3:]}'"
                    if len(octal.group(1)) == 3
                    else (f"write '{octal.group(1)}'")
                )
            self._tell(
                "file-mode", f"'{key}' of '{self._name}' is {text}, which is no octal file mode",
                path, hint,
            )  # fmt: skip

    def _cron(self, key: str, value: Any, path: Path) -> None:  # noqa: ANN401
        low, high = _CRON[key]
        for part in str(value).lower().split(","):
            body, _, step = part.strip().partition("/")
            numbers = [] if body in ("*", "") else body.split("-")
            is_good = body != "" and (not step or step.isdigit()) and len(numbers) <= 2
            for number in numbers:
                if number.isdigit():
                    is_good = is_good and low <= int(number) <= high
                else:
                    is_good = is_good and number.strip("'") in _CRON_WORDS
            if not is_good:
                self._tell(
                    "cron-field",
                    f"'{key}' of '{self._name}' is {value!r}; {low} to {high} is expected",
                    path,
                )
                return

    def _module_run(self, key: str, value: Any, path: Path) -> None:  # noqa: ANN401
        function = key if "." in key else ""
        if key == "name" and isinstance(value, str) and "." in value:
            function = value
        if function and not self._known.has_function(function):
            self._tell(
                "unknown-function",
                f"module.{self._function} of '{self._name}' calls '{function}', which nobody has",
                path,
                meant(function, self._known.function_names(), 0.7),
            )
        if "." in key and key != "name":
            names = [
                str(each.get("name"))
                for each in self._given_arguments()
                if isinstance(each, dict) and "name" in each
            ]
            if any("." in each for each in names):
                self._tell(
                    "module-run",
                    f"'{self._name}' names the function twice: by 'name' and as '{key}'",
                    path,
                    "use one of the two ways of writing",
                )

    def _given_arguments(self) -> list[Any]:
        data: Any = self._view.data
        for step in self._path:
            data = data[step] if isinstance(data, dict) and step in data else None
        return data if isinstance(data, list) else []


def _quote_hint(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, dict) and len(value) == 1 and next(iter(value.values())) is None:
        return "`{{ … }}` may need quotes around it"
    return ""
