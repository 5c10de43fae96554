"""Write the names of Salt's own functions to `states/lint/salt_names.json`.

Run it with the Python of an installed Salt; nothing is copied but names: of functions, of their
arguments, of renderers. A module that does not fit this host is imported all the same, so that the
names are those of all hosts.

    /opt/salt/bin/python packaging/salt-names/collect.py states/lint/salt_names.json
"""

import importlib
import inspect
import json
import pkgutil
import sys
import warnings
from collections.abc import Iterator
from types import ModuleType

import salt.modules
import salt.renderers
import salt.states
import salt.version


def modules_of(package: ModuleType) -> Iterator[tuple[str, ModuleType]]:
    """Import every module of a package that can be imported here."""
    for found in pkgutil.iter_modules(package.__path__):
        try:
            yield found.name, importlib.import_module(f"{package.__name__}.{found.name}")
        except BaseException as error:  # noqa: BLE001 - what is missing here may be anything
            print(f"left out: {found.name}: {type(error).__name__}", file=sys.stderr)


def functions_of(package: ModuleType) -> dict[str, list[str]]:
    """Give the arguments of each public function, by its public name."""
    found: dict[str, list[str]] = {}
    for file_name, module in modules_of(package):
        public = getattr(module, "__virtualname__", file_name)
        aliases = getattr(module, "__func_alias__", {})
        for name, value in vars(module).items():
            if name.startswith("_") or not inspect.isfunction(value):
                continue
            if getattr(value, "__module__", "") != module.__name__:
                continue
            names = []
            for each in inspect.signature(value).parameters.values():
                stars = {each.VAR_POSITIONAL: "*", each.VAR_KEYWORD: "**"}.get(each.kind, "")
                names.append(stars or each.name)
            known = found.setdefault(f"{public}.{aliases.get(name, name)}", [])
            known += [each for each in names if each not in known]
    return dict(sorted(found.items()))


def main() -> None:
    """Collect and write."""
    warnings.simplefilter("ignore")
    data: dict[str, object] = {
        "version": salt.version.__version__,
        "renderers": sorted(
            getattr(module, "__virtualname__", name) for name, module in modules_of(salt.renderers)
        ),
        "states": functions_of(salt.states),
        "functions": sorted(functions_of(salt.modules)),
    }
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump(data, file, indent=0, separators=(",", ":"), ensure_ascii=True)
        file.write("\n")


main()
