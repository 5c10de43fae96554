"""What is heard in one step leads to what it leads to one by one; it is only one commit."""

import random
from typing import Any

import pytest
from msgspec.structs import replace

from limpet.common.messages.fields import Message
from limpet.common.messages.jobs import Started
from limpet.common.messages.session import MasterBeat, Welcome
from limpet.master.core.port_events import BadFrame, PeerLeft, PortEvent, Received
from support.counting.master_rig import Rig, Talker

MINIONS = 12
STEPS = 60


def some_event(rig: Rig, minion: Talker, jids: list[str], chance: random.Random) -> PortEvent:
    """Give something that one of this master's minions could say now, right or wrong."""
    jid = chance.choice([*jids, "01ARZ3NDEKTSV4RRFFQ69G5FAV"])
    choice = chance.randrange(10)
    if choice == 0:
        return BadFrame(minion.peer, minion.key, "bad_schema")
    if choice == 1:
        return PeerLeft(minion.peer)
    messages = (
        minion.beat,
        minion.beat,
        minion.hello,
        minion.page,
        lambda: minion.accept(jid),
        lambda: Started(minion.session, jid, 5),
        lambda: minion.returned(jid),
        lambda: minion.grains(str(chance.random())),
    )
    message = messages[choice - 2]()
    return Received(minion.peer, minion.key, "10.0.0.1", message)


def life(seed: int, *, is_together: bool) -> dict[str, Any]:
    """Give what a master has said and kept after some minutes in which the same was said to it."""
    chance = random.Random(seed)
    rig = Rig(MINIONS)
    jids: list[str] = []
    commits = []
    for _ in range(STEPS):
        if chance.random() < 0.2:
            jids.append(rig.run(chance.choice(("*", "web1", "web[2-5]"))))
        speakers = [chance.choice(rig.minions) for _ in range(chance.randrange(1, 9))]
        events = [some_event(rig, each, jids, chance) for each in speakers]
        if is_together:
            effects = [rig.core.on_port(rig.now, events)]
        else:
            effects = [rig.core.on_port(rig.now, (each,)) for each in events]
        for each in effects:
            rig.carry(each)
        commits.append(len(rig.submitted))
        rig.settle()
        for minion in speakers:  # one whose greeting was answered speaks in that session
            if any(isinstance(said, Welcome) for said in rig.sent.get(minion.peer, ())):
                minion.take()
        rig.t += chance.random()
    if is_together:
        assert max(commits) == 1
    else:
        assert max(commits) > 1
    return {
        "said": {peer: [without_commit(each) for each in said] for peer, said in rig.sent.items()},
        "told": rig.told,
        "kept": (rig.store.keys, rig.store.jobs, rig.store.deliveries, rig.store.bodies),
        "how": dict(rig.core._registry.presences),
        "turned away": dict(rig.core._rejected),
        "due": rig.core.next_deadline,
    }


def without_commit(message: Message) -> Message:
    """Leave out which commit is the last: fewer are made."""
    if isinstance(message, (MasterBeat, Welcome)):
        return replace(message, store_commit=0)
    return message


@pytest.mark.parametrize("seed", range(20))
def test_it_makes_no_difference_how_many_are_heard_in_one_step(seed: int) -> None:
    one_by_one = life(seed, is_together=False)
    together = life(seed, is_together=True)
    for what, value in one_by_one.items():
        assert together[what] == value, what
