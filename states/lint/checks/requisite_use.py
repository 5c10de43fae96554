"""What all closures, for all kinds of hosts, have shown of requisites; told at the end."""

import fnmatch
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from limpet.states.compiler.keywords import IN_REQUISITES
from limpet.states.lint.findings import Report, meant, near
from limpet.states.lint.tree.view import View, Written


@dataclass(slots=True)
class Wanted:
    """A requisite at its place, and whether it was ever found."""

    view: View
    written: Written
    is_found: bool = False


class RequisiteUse:
    """What all kinds of hosts have shown of requisites; told at the end."""

    def __init__(self, report: Report, is_module: Callable[[str], bool]) -> None:
        """Begin; `is_module` says whether anybody has a state module of that name."""
        self._report = report
        self._is_module = is_module
        self._wanted: dict[tuple[Any, ...], Wanted] = {}
        self._names: dict[str, dict[str, str]] = {}
        """Module -> id or name -> the SLS that has it."""
        self._sls: set[str] = set()
        self.applied: set[str] = set()
        """The SLS that top files have, with those that they include."""
        self._texts: dict[str, str] = {}
        self._opaque: list[str] = []
        """Texts of files that nobody could read for any kind of host."""

    def know(self, views: Iterable[View]) -> None:
        """Take note of all states of a tree."""
        for view in views:
            self._sls.add(view.sls)
            self._texts[view.file] = view.text
            data = view.data
            if view.rendered.is_opaque or view.rendered.error is not None:
                self._opaque.append(view.text)
            for name, body in data.items() if isinstance(data, dict) else ():
                for module, names in _names_of(name, body).items():
                    for each in names:
                        self._names.setdefault(module, {}).setdefault(each, view.sls)

    def note(self, view: View, written: Written, is_found: bool) -> None:
        """Take note of one requisite, seen in one closure."""
        line, _ = view.place(written.path)
        key = (view.file, line, written.kind, written.module, written.target, written.owner)
        wanted = self._wanted.setdefault(key, Wanted(view, written))
        wanted.is_found = wanted.is_found or is_found

    def tell(self, sls_names: Iterable[str], *, has_top: bool, is_formula: bool) -> None:
        """Report the requisites that were never found.

        Without a top file nobody knows which SLS are applied together; those of a formula may act
        on states of others.
        """
        everywhere = {*sls_names, *self._sls}
        for wanted in self._wanted.values():
            if wanted.is_found:
                continue
            written = wanted.written
            module, target = written.module, written.target
            elsewhere = self._elsewhere(module, target, everywhere)
            if elsewhere:
                wanted.view.tell(
                    "requisite-not-included",
                    f"'{written.kind}' of '{written.owner}' names '{module}: {target}', which is "
                    f"in the SLS '{elsewhere}', not included here",
                    written.path,
                    hint=f"include '{elsewhere}'",
                    is_hint=not has_top or wanted.view.sls not in self.applied,
                )
                continue
            if any(target in text for text in self._opaque):
                continue
            if self._is_module(module) and self._is_declared(module, target):
                continue
            wanted.view.tell(
                "missing-requisite",
                f"'{written.kind}' of '{written.owner}' names '{module}: {target}', and there is "
                "no such state",
                written.path,
                hint=self._hint(module, target, everywhere),
                is_hint=(not has_top and any(sign in target for sign in "*?["))
                or (is_formula and written.kind in IN_REQUISITES),
            )

    def _is_declared(self, module: str, target: str) -> bool:
        """Say whether such a state is written somewhere, in a branch that no host took."""
        is_rendered = any(target in names for names in self._names.values())
        name = re.compile(
            rf"^\s*-\s+(?:name:\s+)?['\"]?{re.escape(target)}['\"]?\s*$", re.MULTILINE
        )
        for text in self._texts.values():
            if any(_uses(block, module) for block in _blocks(target, text)):
                return True
            if not is_rendered and name.search(text):
                return True
        return False

    def _elsewhere(self, module: str, target: str, everywhere: set[str]) -> str:
        if module == "sls":
            return next((each for each in everywhere if fnmatch.fnmatch(each, target)), "")
        modules = self._names.values() if module == "id" else [self._names.get(module, {})]
        for names in modules:
            if target in names:
                return names[target]
            if any(sign in target for sign in "*?["):
                found = fnmatch.filter(names, target)
                if found:
                    return names[found[0]]
        return ""

    def _hint(self, module: str, target: str, everywhere: set[str]) -> str:
        if module == "sls":
            return meant(target, everywhere)
        own = self._names.get(module, {})
        like = near(target, own, 0.7)
        if like:
            return f"did you mean '{module}: {like}'?"
        others = [each for each, names in self._names.items() if target in names]
        if others:
            best = near(module, others, 0.5) or sorted(others)[0]
            return f"did you mean '{best}: {target}'?"
        if module not in self._names:
            like_module = near(module, self._names, 0.6)
            if like_module:
                return f"did you mean '{like_module}: {target}'?"
        everything = {name for names in self._names.values() for name in names}
        return meant(target, everything, 0.75) if module == "id" else ""


def _blocks(target: str, text: str) -> Iterable[str]:
    """Give what stands below an id in a text, up to the next thing that is not indented."""
    for found in re.finditer(rf"^['\"]?{re.escape(target)}['\"]?:[ \t]*$", text, re.MULTILINE):
        rest = text[found.end() :]
        end = re.search(r"^[^\s{#%]", rest, re.MULTILINE)
        yield rest[: end.start()] if end else rest


def _uses(block: str, module: str) -> bool:
    return module == "id" or bool(
        re.search(rf"^\s+{re.escape(module)}(?:\.\w+)?:?", block, re.MULTILINE)
    )


def _names_of(name: Any, body: Any) -> dict[str, set[str]]:  # noqa: ANN401
    """Give by module the names under which a declaration can be required."""
    if isinstance(body, str) and "." in body:
        return {body.partition(".")[0]: {str(name)}}
    found: dict[str, set[str]] = {}
    for key, arguments in body.items() if isinstance(body, dict) else ():
        names = found.setdefault(str(key).partition(".")[0], {str(name)})
        for argument in arguments if isinstance(arguments, list) else ():
            if not isinstance(argument, dict):
                continue
            if "name" in argument:
                names.add(str(argument["name"]))
            listed = argument.get("names")
            for each in listed if isinstance(listed, list) else ():
                names.add(str(next(iter(each), "") if isinstance(each, dict) else each))
    return found
