"""Which functions there are: limpet's own, Salt's, and those that the tree brings itself.

Salt's names stand in a data file that `packaging/salt-names/collect.py` makes; a name that Salt has
and limpet has not is no mistake of the tree's, and `compatibility` tells of it.
"""

import ast
import importlib.resources
import json
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from limpet.states.fileroots.port import FileRoots
from limpet.states.functions import registry as functions
from limpet.states.library import registry as states


@dataclass(frozen=True, slots=True)
class SaltNames:
    """The names of Salt's functions, as its release has them."""

    version: str
    states: dict[str, list[str]]
    """The arguments of each state function; `**`: it takes any others too."""
    functions: frozenset[str]
    renderers: frozenset[str]


@cache
def salt_names() -> SaltNames:
    """Read the names."""
    place = importlib.resources.files("limpet.states.lint").joinpath("salt_names.json")
    data = json.loads(place.read_text(encoding="utf-8"))
    return SaltNames(
        data["version"], data["states"], frozenset(data["functions"]), frozenset(data["renderers"])
    )


@cache
def extension_modules(kind: str) -> frozenset[str]:
    """List the modules (`states` or `functions`) that Salt has had as extensions."""
    place = importlib.resources.files("limpet.states.lint").joinpath("extension_modules.txt")
    _, _, rest = place.read_text(encoding="utf-8").partition(f"[{kind}]\n")
    return frozenset(rest.partition("[")[0].split())


@dataclass(slots=True)
class Known:
    """All that may be called in a tree."""

    custom_states: dict[str, list[str]] = field(default_factory=dict)
    """State functions out of `_states/`, with their arguments."""
    custom_functions: dict[str, list[str]] = field(default_factory=dict)
    """Execution functions out of `_modules/`."""
    custom_opaque: set[str] = field(default_factory=set)
    """Custom modules whose functions can't be read off their text."""

    def has_state_module(self, module: str) -> bool:
        """Say whether anybody has that state module."""
        return (
            module in states.MODULES
            or module in extension_modules("states")
            or module in self.custom_opaque
            or any(name.startswith(f"{module}.") for name in salt_names().states)
            or any(name.startswith(f"{module}.") for name in self.custom_states)
        )

    def has_state(self, name: str) -> bool:
        """Say whether anybody has that state function."""
        module = name.partition(".")[0]
        return (
            name in self.custom_states
            or name in salt_names().states
            or states.find(name) is not None
            or module in self.custom_opaque
            or self.is_extension(module)
        )

    def is_extension(self, module: str) -> bool:
        """Say whether a state module is known by its name alone."""
        return (
            module in extension_modules("states")
            and module not in states.MODULES
            and not any(name.startswith(f"{module}.") for name in salt_names().states)
        )

    def can_watch(self, module: str) -> bool:
        """Say whether a state module reacts to what it watches, or nobody knows."""
        name = f"{module}.mod_watch"
        is_known = module in states.MODULES or any(
            each.startswith(f"{module}.") for each in salt_names().states
        )
        return states.has_mod_watch(module) or self.has_state(name) or not is_known

    def state_names(self) -> list[str]:
        """List the state functions that anybody has."""
        return [*states.names(), *salt_names().states, *self.custom_states]

    def state_modules(self) -> set[str]:
        """List the state modules that anybody has."""
        return {name.partition(".")[0] for name in self.state_names()} | extension_modules("states")

    def has_function(self, name: str) -> bool:
        """Say whether anybody has that execution function."""
        module = name.partition(".")[0]
        return (
            name in salt_names().functions
            or name in self.custom_functions
            or module in self.custom_opaque
            or functions.find(name) is not None
            or module in extension_modules("functions")
        )

    def function_names(self) -> list[str]:
        """List the execution functions that anybody has."""
        return [*functions.names(), *salt_names().functions, *self.custom_functions]

    def arguments_of(self, name: str) -> tuple[set[str], bool] | None:
        """Give the arguments of a state function, and whether it takes others; None: not known."""
        found: set[str] = set()
        takes_more = False
        is_known = False
        own = states.find(name)
        if own is not None:
            is_known = True
            found.update(own.signature.names)
            takes_more = own.signature.takes_more_keyword
        for names in (salt_names().states.get(name), self.custom_states.get(name)):
            if names is not None:
                is_known = True
                found.update(each for each in names if not each.startswith("*"))
                takes_more = takes_more or "**" in names
        return (found, takes_more) if is_known else None


def known_in(roots: FileRoots) -> Known:
    """Read what a tree brings: `_states/*.py` and `_modules/*.py` of every environment."""
    known = Known()
    for environment in roots.environments():
        for path in roots.files(environment):
            folder, _, name = path.rpartition("/")
            kind = folder.split("/", 1)[0]
            if kind not in ("_states", "_modules") or not name.endswith((".py", ".pyx")):
                continue
            file = roots.read(path, environment)
            target = known.custom_states if kind == "_states" else known.custom_functions
            module = name.rpartition(".")[0]
            try:
                tree = ast.parse(b"" if file is None else file.content)
            except (SyntaxError, ValueError):
                known.custom_opaque.add(module)
                continue
            public = _virtual_name(tree) or module
            for function, arguments in _functions_in(tree):
                target[f"{public}.{function}"] = arguments
            if public != module:
                known.custom_opaque.add(module)
            if any(isinstance(each, ast.ImportFrom) for each in tree.body):
                known.custom_opaque.add(public)
    return known


def _virtual_name(tree: ast.Module) -> str:
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            for target in node.targets:
                if isinstance(target, ast.Name) and target.id == "__virtualname__":
                    return str(node.value.value)
    return ""


def _functions_in(tree: ast.Module) -> list[tuple[str, list[str]]]:
    aliases: dict[str, str] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            for target in node.targets:
                if isinstance(target, ast.Name) and target.id == "__func_alias__":
                    aliases = _texts_of(node.value)
    found = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            arguments = [each.arg for each in (*node.args.args, *node.args.kwonlyargs)]
            if node.args.kwarg is not None:
                arguments.append("**")
            found.append((aliases.get(node.name, node.name), arguments))
    return found


def _texts_of(node: ast.Dict) -> dict[str, str]:
    def text(each: ast.expr | None) -> Any:  # noqa: ANN401
        return each.value if isinstance(each, ast.Constant) else None

    return {
        str(text(key)): str(text(value))
        for key, value in zip(node.keys, node.values, strict=True)
        if text(key) and text(value)
    }
