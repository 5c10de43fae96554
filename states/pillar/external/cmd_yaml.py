"""`cmd_yaml`: a command that prints YAML; `%s` in it stands for the minion's id.

ext_pillar:
  - cmd_yaml: cat /srv/secrets/%s.yaml
"""

from collections.abc import Mapping
from typing import Any

from limpet.common.errors import HostError
from limpet.states.pillar.external.commands import output_of
from limpet.states.pillar.external.source import Asked
from limpet.states.sls.errors import RenderError
from limpet.states.sls.yaml_source import load


def ext_pillar(asked: Asked, command: str) -> Mapping[str, Any]:
    """Give what the command prints. Raises `HostError`."""
    text = output_of(asked, str(command))
    try:
        data = load(text, f"the output of {command!a}").data
    except RenderError as error:
        raise HostError(str(error)) from error
    return {} if data is None else data
