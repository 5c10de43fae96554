"""Which of Salt's functions limpet has: read from the code and from Salt's own lists, as a page.

python -m support.pages.salt_page --write
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from limpet.states.functions import registry as functions
from limpet.states.library import registry as states
from limpet.states.lint.tree.names import salt_names

PAGE: Final = Path(__file__).parents[3] / "docs" / "salt-functions.md"

HEAD: Final = """\
# Salt's functions, and which of them are here

Made of the code by `make salt-page`; Salt's names are those that an installed Salt {version} lists.
`limpet lint --salt-compat PATH` says the same of a tree, by file and line, and
[from-salt.md](from-salt.md) what to do about what is missing.
"""


def page() -> str:
    """Give the whole page."""
    salt = salt_names()
    parts = [
        HEAD.format(version=salt.version),
        *_section("State functions", salt.states, states.names()),
        *_section("Execution functions", salt.functions, functions.names()),
    ]
    return "\n".join(parts) + "\n"


def _section(title: str, theirs: Iterable[str], ours: Iterable[str]) -> list[str]:
    wanted, there = _by_module(theirs), _by_module(ours)
    lines = [
        f"## {title}\n",
        "| module | here | of Salt's not here |",
        "|---|---|---|",
    ]
    for module in sorted(there):
        names = " ".join(f"`{name}`" for name in sorted(there[module]))
        missing = sorted(wanted.get(module, set()) - there[module])
        lines.append(f"| {module} | {names} | {', '.join(missing)} |")
    absent = sorted(set(wanted) - set(there))
    lines += ["", f"Modules of which nothing is here: {', '.join(absent)}.\n"]
    return lines


def _by_module(names: Iterable[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name in names:
        module, _, function = name.partition(".")
        found.setdefault(module, set()).add(function)
    return found


def main() -> None:
    """Write the page, or say whether it is up to date."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true")
    if parser.parse_args().write:
        PAGE.write_text(page(), encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != page():
        sys.exit(f"{PAGE} is not up to date: make salt-page")


if __name__ == "__main__":
    main()
