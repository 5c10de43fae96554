"""With which arguments, and in which world, each state function is held to the laws."""

from support.state_inputs import (
    cron,
    data,
    files,
    git,
    groups,
    machine,
    plain,
    programs,
    served,
    services,
    ssh,
    tools,
)
from support.states.state_laws import Inputs

INPUTS: dict[str, Inputs] = {
    **files.INPUTS,
    **served.INPUTS,
    **data.INPUTS,
    **plain.INPUTS,
    **services.INPUTS,
    **cron.INPUTS,
    **ssh.INPUTS,
    **git.INPUTS,
    **programs.INPUTS,
    **machine.INPUTS,
    **tools.INPUTS,
    **groups.INPUTS,
}
"""By the function's public name."""
