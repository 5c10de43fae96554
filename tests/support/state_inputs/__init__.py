"""With which arguments, and in which world, each state function is held to the laws."""

from support.state_inputs import (
    cron,
    data,
    files,
    git,
    machine,
    plain,
    programs,
    served,
    services,
    ssh,
)
from support.state_laws import Inputs

INPUTS: dict[str, Inputs] = {
    **files.INPUTS,
    **served.INPUTS,
    **services.INPUTS,
    **plain.INPUTS,
    **cron.INPUTS,
    **ssh.INPUTS,
    **git.INPUTS,
    **programs.INPUTS,
    **data.INPUTS,
    **machine.INPUTS,
}
"""By the function's public name."""
