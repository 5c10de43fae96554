"""A rotation of the master's key: who follows, then the files, then a new start.

    IDLE --asked--> [WRITING fresh keys -->] GATHERING --all have kept them, or 10 s--> asked back
    GATHERING --nobody is left behind, or the person is sure--> WRITING --on disk--> a new start
    WRITING --the disk refuses, or 12 s--> IDLE: the old key is in use

The key changes with one rename of the shell's (`io/key_files.py`). What is on disk when the answer
comes counts: a switch that was given up waiting for, and is done later all the same, leads to the
new start. A client that leaves before the switch ends the rotation; after it, nothing does.
"""

from enum import Enum
from typing import Final

from limpet.common.control.replies import LeftBehind, Refused, Remark, Rotation
from limpet.common.control.requests import RotateMaster
from limpet.common.identifiers import MinionKey
from limpet.master.core.effects import Client, StartAfresh, WriteKeys
from limpet.master.core.key_changes import KeyChanges
from limpet.master.core.step import Step
from limpet.master.events.tags import master_event
from limpet.master.master_keys.announced import Announced
from limpet.master.master_keys.announcements import Announcements
from limpet.master.master_keys.key_work import KeysWritten, KeyWork
from limpet.master.sessions.minion import Minion
from limpet.master.sessions.registry import MinionRegistry

GATHER_S: Final = 10.0
"""How long minions that are here may take to keep what they are told."""
WRITE_S: Final = 12.0
"""How long the disk may take."""
SHOWN_MAX: Final = 1_000
DUE: Final = ("rotation", "", "")


class Stage(Enum):
    """Where a rotation is."""

    IDLE = "idle"
    PREPARING = "preparing"
    GATHERING = "gathering"
    SWITCHING = "switching"
    OVER = "over"


class MasterRotation:
    """At most one rotation at a time."""

    def __init__(
        self, announcements: Announcements, registry: MinionRegistry, keys: KeyChanges
    ) -> None:
        self._announcements = announcements
        self._registry = registry
        self._keys = keys
        self.stage = Stage.IDLE
        self._client = Client(0)
        self._request = RotateMaster(is_fresh=False, is_sure=False)
        self._awaited: set[MinionKey] = set()

    # -- events ---------------------------------------------------------------------------------

    def on_request(self, step: Step, client: Client, request: RotateMaster) -> None:
        """Begin, or say why not."""
        announced = self._announcements.announced
        if self.stage is Stage.OVER:
            step.answer(client, Refused("stopping", "the master's key was changed a moment ago"))
            return
        if self.stage is not Stage.IDLE:
            step.answer(client, Refused("busy", "a rotation of the master's key is under way"))
            return
        if announced is None:
            text = "no next keys could be prepared (the log says why): restart the master first"
            step.answer(client, Refused("failed", text))
            return
        if request.expected and request.expected != announced.following[0].key.hex():
            text = "the next key is not the one that was shown any more: nothing was done, ask anew"
            step.answer(client, Refused("usage", text))
            return
        self._client, self._request = client, request
        if request.is_fresh:
            self._write(step, Stage.PREPARING, KeyWork("fresh"))
        else:
            self._gather(step)

    def on_written(self, step: Step, written: KeysWritten) -> None:
        """Hear what became of the files; what is on the disk counts, however late."""
        what = written.work.what
        if what == "switch":
            self._on_switched(step, written.problem)
            return
        if self.stage is Stage.OVER:
            return  # it says what the next process will say
        if written.announced is not None:
            self._announcements.on_announced(
                step, written.announced, self._registry.by_key.values()
            )
        elif what == "raise":
            self._announcements.on_raise_failed()
            step.report("error", "rotation", f"the list of keys is not raised: {written.problem}")
        if what == "fresh" and self.stage is Stage.PREPARING:
            if written.problem:
                self._fail(step, written.problem)
            else:
                self._gather(step)
        elif self.stage is Stage.GATHERING:
            self._look(step)

    def on_ack(self, step: Step, minion: Minion) -> None:
        """Look whether all that were waited for have kept it."""
        if self.stage is Stage.GATHERING and not self._announcements.is_awaited(minion):
            self._awaited.discard(minion.key)
            if not self._awaited:
                self._look(step)

    def on_due(self, step: Step, _due: tuple[str, str, str] = DUE) -> None:
        """Go on with those who have answered; or give the disk up."""
        if self.stage is Stage.GATHERING:
            self._decide(step)
        elif self.stage in (Stage.PREPARING, Stage.SWITCHING):
            self._fail(step, f"the disk did not take it in {WRITE_S:g} s")

    def on_client_gone(self, client: Client) -> None:
        """Give up what nobody waits for any more, unless the key is being changed already."""
        if client == self._client and self.stage in (Stage.PREPARING, Stage.GATHERING):
            self._idle()

    # -- steps ----------------------------------------------------------------------------------

    def _idle(self) -> None:
        self.stage = Stage.IDLE
        self._registry.timers.clear(DUE)

    def _write(self, step: Step, stage: Stage, work: KeyWork) -> None:
        self.stage = stage
        self._registry.timers.set(DUE, step.now.after(WRITE_S))
        step.effects.append(WriteKeys(work))

    def _fail(self, step: Step, problem: str) -> None:
        self._idle()
        step.report("error", "rotation", f"the master's key is not changed: {problem}")
        step.answer(self._client, Refused("failed", f"the master's key is not changed: {problem}"))

    def _gather(self, step: Step) -> None:
        self.stage = Stage.GATHERING
        self._registry.timers.set(DUE, step.now.after(GATHER_S))
        self._look(step)
        if self._awaited:
            number = len(self._awaited)
            text = f"waiting up to {GATHER_S:g} s until {number} minions have kept the next keys"
            step.answer(self._client, Remark(text))

    def _look(self, step: Step) -> None:
        """Go through all minions: at the begin, and when those awaited until now have answered."""
        self._awaited = {
            key
            for key, minion in self._registry.by_key.items()
            if self._announcements.is_awaited(minion)
        }
        if not self._awaited:
            self._decide(step)

    def _decide(self, step: Step) -> None:
        """Change the key if all follow or the person is sure; else say who does not."""
        shown = self._shown(step, is_done=False)
        if shown.left_count and not self._request.is_sure:
            self._idle()
            step.answer(self._client, shown)
        else:
            step.answer(self._client, Remark("the master's key is changed now"))
            self._write(step, Stage.SWITCHING, KeyWork("switch"))

    def _on_switched(self, step: Step, problem: str) -> None:
        if problem:
            if self.stage is Stage.SWITCHING:
                self._fail(step, problem)
            return
        was_awaited = self.stage is Stage.SWITCHING
        self.stage = Stage.OVER
        self._registry.timers.clear(DUE)
        shown = self._shown(step, is_done=True)
        for each in shown.left:
            text = (
                f"{each.minion} does not know the master's new key and must join anew: {each.why}"
            )
            step.report("warning", f"left.behind {each.minion}", text)
        step.publish(
            master_event("key_rotated", step.now.wall, old_key=shown.old_key, new_key=shown.new_key)
        )
        if was_awaited:
            step.answer(self._client, shown)
        step.effects.append(StartAfresh())

    def _shown(self, step: Step, *, is_done: bool) -> Rotation:
        announced = self._announcements.announced
        assert announced is not None
        follow, left = self._sorted(announced)
        tokens = self._keys.token_infos(step)
        return Rotation(
            is_done,
            announced.current.hex(),
            announced.following[0].key.hex(),
            tuple(follow[:SHOWN_MAX]),
            len(follow),
            tuple(left[:SHOWN_MAX]),
            len(left),
            sum(1 for each in tokens if each.state == "open"),
        )

    def _sorted(self, announced: Announced) -> tuple[list[str], list[LeftBehind]]:
        """Tell those who follow from those who are left behind, by id."""
        follow: list[str] = []
        left: list[LeftBehind] = []
        for name, minion in sorted(self._registry.by_id.items()):
            if self._announcements.knows(minion.key, announced.following[0]):
                follow.append(name)
            else:
                left.append(LeftBehind(name, self._announcements.why_not(minion)))
        return follow, left
