"""`#!toml`: TOML 1.0."""

import tomllib
from typing import Any

from limpet.states.sls.errors import RenderError
from limpet.states.sls.renderers.call import Call


def render(found: Any, call: Call) -> Any:  # noqa: ANN401
    """Give the table that the text is."""
    try:
        return tomllib.loads(str(found))
    except tomllib.TOMLDecodeError as error:
        raise RenderError(str(error), call.real_path) from error
