"""What one declaration does to others: `extend`, `exclude`, `use`, and requisites with `_in`."""

import fnmatch
from typing import Any

from limpet.states.compiler.declarations import High
from limpet.states.compiler.keywords import IN_REQUISITES, LISTED, NOT_USED
from limpet.states.compiler.verify import is_state, states_of


def apply_extensions(high: High, *, is_strict: bool = False) -> list[str]:
    """Carry out `__extend__`; errors in Salt's words. `is_strict`: an id counts with its module."""
    errors: list[str] = []
    for extension in high.pop("__extend__", ()):
        for wanted, body in extension.items():
            module = next((key for key in body if is_state(key)), None)
            if module is None:
                continue
            name = wanted
            if not isinstance(high.get(name), dict) or module not in high[name]:
                found = _ids_named(wanted, module, high, is_strict=is_strict)
                if len(found) != 1:
                    errors.append(_cannot_extend(wanted, body))
                    continue
                name = found[0][0]
            if body.get("__sls__") in _excluded_sls(high):
                continue
            for key, arguments in body.items():
                if is_state(key):
                    _extend(high[name], key, arguments)
    return errors


def _cannot_extend(name: str, body: dict[str, Any]) -> str:
    environment, sls = body.get("__env__", "base"), body.get("__sls__", "base")
    return (
        f"Cannot extend ID '{name}' in '{environment}:{sls}'. It is not part of the high state.\n"
        "This is likely due to a missing include statement or an incorrectly typed ID.\n"
        f"Ensure that a state with an ID of '{name}' is available\n"
        f"in environment '{environment}' and to SLS '{sls}'"
    )


def _excluded_sls(high: High) -> list[str]:
    found = []
    for each in high.get("__exclude__", ()):
        if isinstance(each, str):
            found.append(each)
        elif isinstance(each, dict) and each.get("sls"):
            found.append(each["sls"])
    return found


def _extend(body: dict[str, Any], module: str, arguments: Any) -> None:  # noqa: ANN401
    if module not in body:
        body[module] = arguments
        return
    present = body[module]
    if not isinstance(arguments, list) or not isinstance(present, list):
        body[module] = arguments
        return
    for argument in arguments:
        if not _replace(present, argument):
            present.append(argument)


def _replace(present: list[Any], argument: Any) -> bool:  # noqa: ANN401
    """Put an argument in the place of the one it changes; False: there is none."""
    is_placed = False
    for place, known in enumerate(present):
        if isinstance(argument, str) and isinstance(known, str):
            present[place] = argument
            is_placed = True
        elif isinstance(argument, dict) and isinstance(known, dict) and argument and known:
            key, known_key = next(iter(argument)), next(iter(known))
            if key == known_key:
                if key in LISTED and isinstance(known[key], list):
                    known[key].extend(argument[key])
                else:
                    present[place] = argument
                is_placed = True
            elif key == "name" and known_key == "names":
                present[place] = argument
    return is_placed


def apply_exclusions(high: High) -> None:
    """Carry out `__exclude__`: declarations by id, and all of an SLS."""
    excluded = high.pop("__exclude__", ())
    names: set[str] = set()
    patterns: list[str] = []
    for each in excluded:
        if isinstance(each, str):
            patterns.append(each)
        elif isinstance(each, dict) and len(each) == 1:
            key, value = next(iter(each.items()))
            if key == "sls":
                patterns.append(str(value))
            elif key == "id":
                names.add(value)
    for name, body in high.items():
        sls = body.get("__sls__", "") if isinstance(body, dict) else ""
        if sls and any(fnmatch.fnmatch(sls, pattern) for pattern in patterns):
            names.add(name)
    for name in names:
        high.pop(name, None)


def _ids_named(
    name: Any,  # noqa: ANN401
    module: str,
    high: High,
    *,
    is_strict: bool,
) -> list[tuple[str, str]]:
    """Give the (id, module) pairs that a name may mean: an id, or any argument's value."""
    body = high.get(name)
    if body is not None and (not is_strict or (isinstance(body, dict) and module in body)):
        return [(name, module)]
    if module == "sls":
        return [
            (each, next(iter(found)))
            for each, found in high.items()
            if isinstance(found, dict) and found.get("__sls__") == name
        ]
    found_ids = []
    for each, found in high.items():
        arguments = found.get(module) if isinstance(found, dict) else None
        for argument in arguments if isinstance(arguments, list) else ():
            if isinstance(argument, dict) and len(argument) == 1:
                value = next(iter(argument.values()))
                if type(value) is type(name) and value == name:
                    found_ids.append((each, module))
    return found_ids


def apply_in_requisites(high: High, disabled: frozenset[str] = frozenset()) -> list[str]:
    """Write `require_in` and its kin, `use` and `use_in` to the states they act on."""
    extensions: dict[Any, dict[str, Any]] = {}
    errors: list[str] = []
    for name, body in high.items():
        if not isinstance(body, dict):
            continue
        for module, arguments in body.items():
            if not is_state(module) or not isinstance(arguments, list):
                continue
            for argument in arguments:
                key = next(iter(argument), None) if isinstance(argument, dict) else None
                if key in IN_REQUISITES and key not in disabled:
                    one = _Written(high, extensions, errors, name, module, str(key))
                    one.apply(argument[key])
    high["__extend__"] = [{name: body} for name, body in extensions.items()]
    return errors + apply_extensions(high, is_strict=True)


class _Written:
    """One `…_in` or `use`, at the state where it is written."""

    def __init__(
        self,
        high: High,
        extensions: dict[Any, dict[str, Any]],
        errors: list[str],
        name: str,
        module: str,
        key: str,
    ) -> None:
        self._high = high
        self._extensions = extensions
        self._errors = errors
        self._name = name
        self._module = module
        self._key = key
        self._requisite = key.split("_")[0]
        self._body = high[name]

    def apply(self, items: Any) -> None:  # noqa: ANN401
        if isinstance(items, dict):
            for module, name in items.items():
                self._add(name, self._without_dot(module, name, "for {name} in"))
            return
        targets: list[tuple[Any, Any]] = []
        for each in items if isinstance(items, list) else ():
            target = each if isinstance(each, dict) else self._meant_by(each)
            if not target:
                continue
            module, name = next(iter(target.items()))
            if module == "sls":
                targets = self._ids_of(name)
            else:
                self._without_dot(module, name, "for {name}, in")
                targets.append((name, module))
            # Earlier targets of the list come again with each later one, as Salt has it: the
            # requisites of a compiled state are then equal to Salt's, repetitions included.
            for target_name, target_module in targets:
                if self._key == "use_in":
                    for given, given_module in self._named(target_name, target_module):
                        self._hand_over(self._name, self._module, given, given_module)
                elif self._key == "use":
                    for giver, giver_module in self._named(target_name, target_module):
                        self._hand_over(giver, giver_module, self._name, self._module)
                else:
                    self._add(target_name, target_module)

    def _without_dot(self, module: Any, name: Any, where: str) -> Any:  # noqa: ANN401
        if "." not in str(module):
            return module
        short = str(module).split(".")[0]
        self._errors.append(
            f"Invalid requisite in {self._requisite}: {module} {where.format(name=name)} SLS "
            f"'{self._body['__sls__']}'. Requisites must not contain dots, did you mean '{short}'?"
        )
        return short

    def _meant_by(self, name: Any) -> dict[str, Any] | None:  # noqa: ANN401
        """Find what a bare id or name means; None where nothing has it."""
        if isinstance(name, str) and states_of(self._high, name):
            return {states_of(self._high, name)[0]: name}
        found: dict[str, Any] | None = None
        for each in self._high:
            for module in states_of(self._high, each):
                arguments = self._high[each][module]
                for argument in arguments if isinstance(arguments, list) else ():
                    if isinstance(argument, dict) and argument.get("name", _NOTHING) == name:
                        found = {module: each}
        return found

    def _ids_of(self, sls: Any) -> list[tuple[Any, Any]]:  # noqa: ANN401
        return [
            (name, module)
            for name, body in self._high.items()
            if isinstance(body, dict) and body.get("__sls__") == sls
            for module in states_of(self._high, name)
        ]

    def _named(self, name: Any, module: Any) -> list[tuple[str, str]]:  # noqa: ANN401
        return [each for each in _ids_named(name, module, self._high, is_strict=True) if each[0]]

    def _add(self, name: Any, module: Any) -> None:  # noqa: ANN401
        """Have the target require (watch, …) the state where this is written."""
        body = self._extensions.setdefault(name, {})
        requisites = body.setdefault(module, [])
        body["__env__"] = self._body["__env__"]
        body["__sls__"] = self._body["__sls__"]
        own = {self._module: self._name}
        for each in requisites:
            if next(iter(each)) == self._requisite:
                each[self._requisite].append(own)
                return
        requisites.append({self._requisite: [own]})

    def _hand_over(self, giver: str, giver_module: str, taker: str, taker_module: str) -> None:
        """Give a state the arguments of another that it has none of itself."""
        given = self._extensions.setdefault(taker, {}).setdefault(taker_module, [])
        own = self._high[taker].get(taker_module)
        known = {
            next(iter(each))
            for each in (own if isinstance(own, list) else ())
            if isinstance(each, dict) and len(each) == 1
        }
        for each in self._high[giver][giver_module]:
            if isinstance(each, dict) and len(each) == 1:
                key = next(iter(each))
                if key not in known and key not in NOT_USED:
                    given.append(each)


_NOTHING = object()
