"""`cmd_json`: a command that prints JSON; `%s` in it stands for the minion's id.

ext_pillar:
  - cmd_json: cat /srv/secrets/%s.json
"""

import json
from collections.abc import Mapping
from typing import Any

from limpet.common.errors import HostError
from limpet.states.pillar.external.commands import output_of
from limpet.states.pillar.external.source import Asked


def ext_pillar(asked: Asked, command: str) -> Mapping[str, Any]:
    """Give what the command prints. Raises `HostError`."""
    text = output_of(asked, str(command))
    try:
        found: Mapping[str, Any] = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise HostError(f"the output of {command!a} is not JSON: {error}") from error
    return found
