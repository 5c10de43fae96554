"""With which arguments, and in which world, each state function is held to the laws."""

from support.state_inputs import cron, files, git, plain, served, services, ssh
from support.state_laws import Inputs

INPUTS: dict[str, Inputs] = {
    **files.INPUTS,
    **served.INPUTS,
    **services.INPUTS,
    **plain.INPUTS,
    **cron.INPUTS,
    **ssh.INPUTS,
    **git.INPUTS,
}
"""By the function's public name."""
