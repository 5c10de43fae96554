"""`#!text`: the text is the data, as it is."""

from typing import Any

from limpet.states.sls.renderers.call import Call


def render(found: Any, call: Call) -> Any:  # noqa: ANN401
    """Give what came."""
    return found
