"""How many files this process may open, and whether that is enough for its fleet.

Each minion is one connection, and one connection is one descriptor: libzmq's limit of sockets
(`sockets_max` of a context) does not count connections, as all of them come in at one socket.
"""

import resource
from typing import Final

from limpet.common.errors import UsageError

WANTED: Final = 65_536
"""Taken where the host allows it, whatever the size of the fleet."""
SPARE: Final = 512
"""Wanted besides those of minions: the store, clients, files that are read, strangers."""
HERD_FACTOR: Final = 2
"""After a power cut of the network, connections that are dead stand beside those that came anew."""
_ADVICE: Final = "raise `LimitNOFILE=` of the service (or `ulimit -n`)"


def raise_limit(minions: int) -> None:
    """Let this process open as many descriptors as it will need. Raises `UsageError`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(WANTED, HERD_FACTOR * minions + SPARE)
    if hard != resource.RLIM_INFINITY:
        wanted = min(hard, wanted)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    if (why := _shortage(soft, minions)) != "":
        raise UsageError(f"{why}: {_ADVICE}")


def problem(minions: int) -> str:
    """Say if the fleet has outgrown what this process may open; empty: it has not.

    More may have been accepted since the start than it was known of then.
    """
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    why = _shortage(soft, minions)
    return f"{why}: {_ADVICE}, and restart the master" if why else ""


def _shortage(limit: int, minions: int) -> str:
    if limit == resource.RLIM_INFINITY or limit >= minions + SPARE:
        return ""
    return f"this process may open {limit} files; {minions} minions need {minions + SPARE}"
