"""Renderers by their names, which are those of the files beside this one.

A renderer is the file `limpet/states/sls/renderers/NAME.py` with a function `render` as in
`call.Render`. It is imported when a first file names it, never before.
"""

import importlib
import os
from functools import cache
from typing import Final

from limpet.states.discovery import module_names
from limpet.states.sls.renderers.call import Render

DEFAULT: Final = "jinja|yaml"
NAMES: Final = module_names(os.path.dirname(__file__), ("call", "pipeline", "registry"))
"""Of all renderers there are, sorted."""
OLD_NAMES: Final = {"yaml_jinja": "jinja|yaml", "json_jinja": "jinja|json"}
"""Salt's names for two in a row."""
SHEBANG: Final = "#!"


@cache
def find(name: str) -> Render:
    """Give one of those in `NAMES`."""
    module = importlib.import_module(f"limpet.states.sls.renderers.{name}")
    found: Render = module.render
    return found


def names_in(text: str, default: str) -> list[str]:
    """Give the names in the first line of a text, else those in `default`, whoever has them."""
    line = text.split("\n", 1)[0].strip()
    is_named = line.startswith(SHEBANG) and not line.startswith("#!/")
    pipe = (line.removeprefix(SHEBANG) if is_named else default).strip()
    return [(part.split() or [""])[0] for part in OLD_NAMES.get(pipe, pipe).split("|")]
