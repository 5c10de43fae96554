"""Which (state, event) pairs a batch of seeds must meet, and which can't be, and why."""

from collections.abc import Iterator

from limpet.master.jobs.delivery import SHOWN
from limpet.minion.sessions.states import State
from support.simulator.coverage import Coverage, Pairs, rare
from support.simulator.gremlin import MINION_EVENTS
from support.simulator.master_gremlin import MASTER_EVENTS

LEAST = 10
"""Every pair is met at least so often."""

MINION_STATES = tuple(state.name for state in State)
PRESENCES = ("ready", "syncing", "reconnecting", "offline", "never seen", "no minion")
PRESENCE_EVENTS = tuple(event for event in MASTER_EVENTS if event != "CancelJob")
DELIVERY_STATES = (*SHOWN, "not in memory")
DELIVERY_EVENTS = (
    "Accepted",
    "Started",
    "Output",
    "Return",
    "BulkOffer",
    "BulkChunk",
    "CancelAnswer",
    "CancelJob",
    "Sync accepted",
    "Sync running",
    "Sync finished",
)
OTHER_EVENTS = (
    "RunJob",
    "WatchJob",
    "CancelJob",
    "ChangeKeys",
    "client_gone",
    "committed",
    "deadline",
    "stop",
    "store_trouble",
)
"""Events of the master that are about no minion, or about many."""

ANY = "*"
CANNOT_BE: dict[tuple[str, str], str] = {
    ("LOST", ANY): "LOST is left within the event that enters it, so no event ever meets it",
    ("no minion", "Hello"): (
        "ZAP turns a key that is not accepted away; only one rejected in the moment between its "
        "handshake and its greeting gets as far, which chance rarely hits"
    ),
    ("offline", "peer_gone"): "an absent minion has no connection that the master knows",
    ("never seen", "peer_gone"): "an absent minion has no connection that the master knows",
    ("reconnecting", "peer_gone"): "an absent minion has no connection that the master knows",
    ("offline", "send_failed"): "nothing is sent to a minion that is absent",
    ("never seen", "send_failed"): "nothing is sent to a minion that is absent",
    ("reconnecting", "send_failed"): "nothing is sent to a minion that is absent",
    ("not in memory", "CancelJob"): "what is not in memory is over: the store alone is asked",
    ("created", "Return"): (
        "what was never bound was never sent; only a liar could return it, or a minion that was "
        "sent it before the master's store was rolled back to then"
    ),
}
"""(state, event) pairs that do not occur, with the reason."""
BY_CHANCE = (("no minion", "Hello"), ("created", "Return"))
"""Those of them that chance may hit all the same, as the reason says."""


def can_be(state: str, event: str) -> bool:
    """Say whether the pair can occur."""
    return (state, event) not in CANNOT_BE and (state, ANY) not in CANNOT_BE


def _all(states: tuple[str, ...], events: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    return ((state, event) for state in states for event in events if can_be(state, event))


def missing(coverage: Coverage) -> list[str]:
    """Name the pairs that were met less often than they must be in a whole batch."""
    wanted: tuple[tuple[str, Pairs, Iterator[tuple[str, str]]], ...] = (
        ("minion", coverage.minion, _all(MINION_STATES, MINION_EVENTS)),
        ("master", coverage.presence, _all(PRESENCES, PRESENCE_EVENTS)),
        ("master", coverage.presence, _all(("any",), OTHER_EVENTS)),
        ("delivery", coverage.delivery, _all(DELIVERY_STATES, DELIVERY_EVENTS)),
    )
    return [
        f"{where}: {text}"
        for where, pairs, expected in wanted
        for text in rare(pairs, expected, LEAST)
    ]


def impossible(coverage: Coverage) -> list[str]:
    """Name the pairs that were met though they are said to be impossible."""
    found = []
    for pairs in (coverage.minion, coverage.presence, coverage.delivery):
        for (state, event), count in pairs.items():
            if not can_be(state, event) and (state, event) not in BY_CHANCE:
                found.append(f"{state} with {event}: {count}, and it can't be")
    return found


def reasons() -> str:
    """Say what can't be, and why."""
    return "\n".join(f"{state} with {event}: {why}" for (state, event), why in CANNOT_BE.items())
