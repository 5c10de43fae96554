"""The events that are published, each under its tag."""

from limpet.common.control.replies import Event
from limpet.common.identifiers import JobId, MinionId
from limpet.master.core.effects import DeliveryEnded


def job_event(jid: JobId, what: str, at_s: float, **data: str) -> Event:
    """Make `job/JID/WHAT`: `new`, `ended`, `cancel`, `orphan`."""
    return Event(f"job/{jid}/{what}", at_s, data)


def return_event(ended: DeliveryEnded) -> Event:
    """Make `job/JID/return/MINION`: a final status, whoever said it."""
    data = {"status": ended.status, "function": ended.function}
    return Event(f"job/{ended.jid}/return/{ended.minion}", ended.at_s, data)


def minion_event(minion: MinionId, what: str, at_s: float, **data: str) -> Event:
    """Make `minion/ID/WHAT`: `ready`, `lost`, `offline`, `cloned`, `condition`, `grains`."""
    return Event(f"minion/{minion}/{what}", at_s, data)


def master_event(what: str, at_s: float, **data: str) -> Event:
    """Make `master/WHAT`: `start`, `stop`, `epoch`, `store`."""
    return Event(f"master/{what}", at_s, data)
