"""The events that are published, each under its tag."""

from limpet.common.control.replies import Event
from limpet.common.identifiers import JobId, MinionId


def job_event(jid: JobId, what: str, at_s: float, **data: str) -> Event:
    """Make `job/JID/WHAT`: `new`, `ended`, `cancel`, `orphan`."""
    return Event(f"job/{jid}/{what}", at_s, data)


def return_event(jid: JobId, minion: MinionId, at_s: float, status: str, function: str) -> Event:
    """Make `job/JID/return/MINION`: a final status, whoever said it."""
    return Event(f"job/{jid}/return/{minion}", at_s, {"status": status, "function": function})


def minion_event(minion: MinionId, what: str, at_s: float, **data: str) -> Event:
    """Make `minion/ID/WHAT`: `ready`, `lost`, `offline`, `cloned`, `condition`, `grains`."""
    return Event(f"minion/{minion}/{what}", at_s, data)


def master_event(what: str, at_s: float, **data: str) -> Event:
    """Make `master/WHAT`: `start`, `stop`, `epoch`, `store`."""
    return Event(f"master/{what}", at_s, data)
