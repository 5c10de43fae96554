"""`#!jinja`: templates, with Salt's extensions to Jinja."""

from typing import Any

from limpet.states.sls.places import sls_variables
from limpet.states.sls.renderers.call import Call


def render(found: Any, call: Call) -> str:  # noqa: ANN401
    """Give what the template makes."""
    variables = {
        **call.means.variables(call.environment),
        "env": call.environment,
        "sls": call.sls,
        **sls_variables(call.real_path, call.sls),
        **call.variables,
    }
    return call.means.template(
        str(found), call.environment, call.real_path, variables, is_of_sls=bool(call.sls)
    )
