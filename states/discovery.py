"""Which of Salt's modules a folder of functions holds: its files and folders, by their names."""

import os
from collections.abc import Iterable


def module_names(folder: str, apart: Iterable[str]) -> tuple[str, ...]:
    """Give the names of the Python files and packages in a folder, sorted.

    `apart` names those that are no modules of functions but serve them. Nothing is imported.
    """
    found = set()
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".py") and entry.is_file():
                found.add(entry.name.removesuffix(".py"))
            elif os.path.isfile(os.path.join(entry.path, "__init__.py")):
                found.add(entry.name)
    return tuple(sorted(found - {"__init__", *apart}))
