"""`#!json`: JSON, its mappings in their order."""

import json
from typing import Any

from limpet.states.sls.errors import RenderError
from limpet.states.sls.renderers.call import Call
from limpet.states.sls.renderers.registry import SHEBANG
from limpet.states.sls.yaml_source import Ordered


def render(found: Any, call: Call) -> Any:  # noqa: ANN401
    """Give the data; a text with nothing in it has {}. JSON knows no comments: `#!` is cut off."""
    body = text = str(found)
    if text.startswith(SHEBANG):
        body = text.partition("\n")[2]
    if not body.strip():
        return {}
    try:
        return json.loads(body, object_pairs_hook=Ordered)
    except ValueError as error:
        line = getattr(error, "lineno", None)
        if line is not None and body is not text:
            line += 1
        raise RenderError(str(error), call.real_path, line, text) from error
    except RecursionError as error:
        raise RenderError("JSON that is nested too deeply", call.real_path) from error
