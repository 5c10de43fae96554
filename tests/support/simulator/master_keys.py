"""The master's key files as a model, and rotations in a story: nobody who was told is stranded.

Whom the master does not believe to follow when its key changes, a person at the host helps to join
anew. So whoever is not READY in the end was believed wrongly.
"""

import random
from typing import TYPE_CHECKING

from limpet.common.control.replies import AnyReply, Remark, Rotation
from limpet.common.control.requests import RotateMaster
from limpet.common.messages.trust import Trust
from limpet.master.master_keys.announced import Announced, Following
from limpet.master.master_keys.io.key_files import AHEAD
from limpet.master.master_keys.key_work import KeysWritten, KeyWork
from limpet.minion.core.settings import HeldTrust

if TYPE_CHECKING:
    from support.simulator.master_host import MasterHost
    from support.simulator.minion_host import MinionHost
    from support.simulator.story import Story

LEFT_S = 12.0
"""A person who has had no answer this long before the calm gives up."""
CALM_S = 15.0


class KeyModel:
    """What is on the master's disk; each change is whole or not there, by `key_files.py`."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._made = 0
        self.serial = 1
        self.current = b"m" * 32
        self.following = [self._new(1) for _ in range(AHEAD)]
        self.rotations = 0

    def _new(self, serial: int) -> Following:
        self._made += 1
        return Following(self._made.to_bytes(32, "big"), serial)

    def announced(self) -> Announced:
        """Give what is told of it."""
        return Announced(
            site=b"S" * 32,
            former=b"",
            serial=self.serial,
            current=self.current,
            following=tuple(self.following),
            signature=b"s" * 64,
            former_signature=b"",
        )

    def write(self, work: KeyWork) -> Announced | None:
        """Carry out one piece of work."""
        if work.what == "raise":
            self.serial = max(self.serial, work.above + 1)
            return self.announced()
        self.serial += 1
        if work.what == "fresh":
            self.following = [self._new(self.serial) for _ in range(AHEAD)]
            return self.announced()
        self.rotations += 1
        self.current = self.following.pop(0).key
        self.following.append(self._new(self.serial))
        return None


class KeyDisk:
    """Writes the model as the master's thread does: a kill may come before it, or behind it."""

    def __init__(self, host: "MasterHost") -> None:
        self._host = host
        self._chance = random.Random(host.world.seed + 4)
        self.model = KeyModel(self._chance)

    def write(self, work: KeyWork) -> None:
        """Have it written, and told, if the process lives so long."""
        host, life = self._host, self._host.life
        announced: list[Announced | None] = []

        def write() -> None:
            if life == host.life:
                announced.append(self.model.write(work))
                host.world.note(host.name, f"keys: {work.what}, {self.model.current.hex()[-4:]}")
                if work.what == "switch":
                    host.on_key_changed()

        def tell() -> None:
            if life == host.life and announced:
                written = KeysWritten(work, announced[0])
                host.step(lambda core: core.on_keys_written(host.clock.now(), written))

        write_s = self._chance.choice((0.001, 0.05, 2.0))
        host.world.later(write_s, write)
        host.world.later(write_s + self._chance.choice((0.001, 0.1)), tell)


class Trusting:
    """What a minion's host keeps of the master's keys, through any restart."""

    def __init__(self, host: "MinionHost") -> None:
        self._host = host
        self.current = (b"m" * 32).hex()
        self.held: HeldTrust | None = None

    def copy_of(self, other: "Trusting") -> None:
        """Take over what another host keeps."""
        self.current, self.held = other.current, other.held

    def join_anew(self, key: str) -> None:
        """Be told by a person at the host who the master is now."""
        self.current, self.held = key, None
        self._host.kill()

    def keep_server_key(self, key: str) -> None:
        """Write the key down, in a moment."""
        life = self._host.life

        def write() -> None:
            if life == self._host.life:
                self.current = key

        self._host.world.later(0.02, write)

    def keep_trust(self, trust: Trust) -> None:
        """Check and write an announcement, in a moment; it may be cut off on either side."""
        host, life = self._host, self._host.life

        def write() -> None:
            if life == host.life:
                self.held = HeldTrust.of(trust)
                host.step_later(
                    0.02, lambda core: core.on_trust_kept(host.now(), trust.serial, "kept", "")
                )

        host.world.later(0.1, write)


class Rotator:
    """A person who rotates the master's key now and then."""

    def __init__(self, story: "Story", end: float) -> None:
        self._story = story
        self._chance = random.Random(story.world.seed + 3)
        self._end = end
        self.asked = 0
        self.helped = 0
        if self._chance.random() < 0.3:
            for _ in range(self._chance.choice((1, 1, 2, 4))):
                story.world.at(self._chance.uniform(3.0, end - CALM_S), self._rotate)
            if self._chance.random() < 0.1:
                story.scene.minions[0].speak_protocol_1()
        story.master.key_changed = self._help

    def _rotate(self) -> None:
        world, master = self._story.world, self._story.master

        def on_reply(reply: AnyReply | None) -> None:
            if isinstance(reply, Remark):
                return
            text = "no answer" if reply is None else str(reply)
            if isinstance(reply, Rotation):
                text = f"done {reply.is_done}, {len(reply.left)} left"
            world.note("admin", f"rotation: {text}")

        client = master.connect_client(on_reply)
        if client is None:
            return
        self.asked += 1
        is_sure = self._chance.random() < 0.7
        master.ask(client, RotateMaster(self._chance.random() < 0.3, is_sure))
        world.at(self._end - LEFT_S, lambda: master.leave(client))

    def _help(self) -> None:
        """Go to hosts that can't know the new key: not told, new, or one key on two hosts."""
        story, core = self._story, self._story.master.core
        assert core is not None
        key = story.master.keys.model.current.hex()
        for host in story.scene.minions:
            follows = story.master.allows(host.key) and core._announcements.knows_next(host.key)
            if not follows or host.settings.minion_id in story.truth.cloned:
                host.trusting.join_anew(key)
                self.helped += 1
