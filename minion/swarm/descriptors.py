"""How many descriptors and sockets a swarm needs, and how many minions a process bears."""

import resource
from typing import Final

from limpet.common.errors import UsageError

DESCRIPTORS_EACH: Final = 4
"""Of one minion: the TCP connection, and one to wake each of its three libzmq sockets."""
SOCKETS_EACH: Final = 3
"""The link's, and both ends of its monitor."""
SPARE: Final = 64
MINIONS_EACH: Final = 2_500
"""More in one process are more than one Python serves in time."""


def minions_a_process() -> int:
    """Give how many minions this host lets one process have, at most `MINIONS_EACH`."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        return MINIONS_EACH
    return max(1, min(MINIONS_EACH, (hard - SPARE) // DESCRIPTORS_EACH))


def raise_descriptor_limit(minions: int) -> None:
    """Let this process open what so many minions need. Raises `UsageError`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = minions * DESCRIPTORS_EACH + SPARE
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise UsageError(
            f"a process may open {hard} files here; {minions} minions in one need {wanted}: "
            "use more `--processes`, or raise `ulimit -Hn`"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
