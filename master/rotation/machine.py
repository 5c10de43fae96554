"""A rotation of the master's key: who follows, then the files, then a new start.

    IDLE --asked--> [WRITING fresh keys -->] GATHERING --all have kept them, or 10 s--> asked back
    GATHERING --nobody is left behind, or the person is sure--> WRITING --on disk--> a new start
    WRITING --the disk refuses, or 12 s--> IDLE: the old key is in use

The key changes with one rename of the shell's (`files.py`). What is on disk when the answer comes
counts: a switch that was given up waiting for, and is done later all the same, leads to the new
start. A client that leaves before the switch ends the rotation; after it, nothing does.
"""

from enum import Enum
from typing import Final

from limpet.common.control.replies import LeftBehind, Refused, Remark, Rotation
from limpet.common.control.requests import RotateMaster
from limpet.common.identifiers import MinionKey
from limpet.master.effects import Client, StartAfresh, WriteKeys
from limpet.master.events.making import master_event
from limpet.master.keys import Keys
from limpet.master.rotation.announced import Announced
from limpet.master.rotation.followers import Followers
from limpet.master.rotation.work import KeysWritten, KeyWork
from limpet.master.sessions.minion import Minion
from limpet.master.sessions.roster import Roster
from limpet.master.turn import Turn

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

    def __init__(self, followers: Followers, roster: Roster, keys: Keys) -> None:
        self._followers = followers
        self._roster = roster
        self._keys = keys
        self.stage = Stage.IDLE
        self._client = Client(0)
        self._request = RotateMaster(is_fresh=False, is_sure=False)
        self._awaited: set[MinionKey] = set()

    # -- events ---------------------------------------------------------------------------------

    def on_request(self, turn: Turn, client: Client, request: RotateMaster) -> None:
        """Begin, or say why not."""
        announced = self._followers.announced
        if self.stage is Stage.OVER:
            turn.answer(client, Refused("stopping", "the master's key was changed a moment ago"))
            return
        if self.stage is not Stage.IDLE:
            turn.answer(client, Refused("busy", "a rotation of the master's key is under way"))
            return
        if announced is None:
            text = "no next keys could be prepared (the log says why): restart the master first"
            turn.answer(client, Refused("failed", text))
            return
        if request.expected and request.expected != announced.following[0].key.hex():
            text = "the next key is not the one that was shown any more: nothing was done, ask anew"
            turn.answer(client, Refused("usage", text))
            return
        self._client, self._request = client, request
        if request.is_fresh:
            self._write(turn, Stage.PREPARING, KeyWork("fresh"))
        else:
            self._gather(turn)

    def on_written(self, turn: Turn, written: KeysWritten) -> None:
        """Hear what became of the files; what is on the disk counts, however late."""
        what = written.work.what
        if what == "switch":
            self._on_switched(turn, written.problem)
            return
        if self.stage is Stage.OVER:
            return  # it says what the next process will say
        if written.announced is not None:
            self._followers.on_announced(turn, written.announced, self._roster.by_key.values())
        elif what == "raise":
            self._followers.on_raise_failed()
            turn.report("error", "rotation", f"the list of keys is not raised: {written.problem}")
        if what == "fresh" and self.stage is Stage.PREPARING:
            if written.problem:
                self._fail(turn, written.problem)
            else:
                self._gather(turn)
        elif self.stage is Stage.GATHERING:
            self._look(turn)

    def on_ack(self, turn: Turn, minion: Minion) -> None:
        """Look whether all that were waited for have kept it."""
        if self.stage is Stage.GATHERING and not self._followers.is_awaited(minion):
            self._awaited.discard(minion.key)
            if not self._awaited:
                self._look(turn)

    def on_due(self, turn: Turn) -> None:
        """Go on with those who have answered; or give the disk up."""
        if self.stage is Stage.GATHERING:
            self._decide(turn)
        elif self.stage in (Stage.PREPARING, Stage.SWITCHING):
            self._fail(turn, f"the disk did not take it in {WRITE_S:g} s")

    def on_client_gone(self, client: Client) -> None:
        """Give up what nobody waits for any more, unless the key is being changed already."""
        if client == self._client and self.stage in (Stage.PREPARING, Stage.GATHERING):
            self._idle()

    # -- steps ----------------------------------------------------------------------------------

    def _idle(self) -> None:
        self.stage = Stage.IDLE
        self._roster.timetable.clear(DUE)

    def _write(self, turn: Turn, stage: Stage, work: KeyWork) -> None:
        self.stage = stage
        self._roster.timetable.set(DUE, turn.now.after(WRITE_S))
        turn.effects.append(WriteKeys(work))

    def _fail(self, turn: Turn, problem: str) -> None:
        self._idle()
        turn.report("error", "rotation", f"the master's key is not changed: {problem}")
        turn.answer(self._client, Refused("failed", f"the master's key is not changed: {problem}"))

    def _gather(self, turn: Turn) -> None:
        self.stage = Stage.GATHERING
        self._roster.timetable.set(DUE, turn.now.after(GATHER_S))
        self._look(turn)
        if self._awaited:
            number = len(self._awaited)
            text = f"waiting up to {GATHER_S:g} s until {number} minions have kept the next keys"
            turn.answer(self._client, Remark(text))

    def _look(self, turn: Turn) -> None:
        """Go through all minions: at the begin, and when those awaited until now have answered."""
        self._awaited = {
            key for key, minion in self._roster.by_key.items() if self._followers.is_awaited(minion)
        }
        if not self._awaited:
            self._decide(turn)

    def _decide(self, turn: Turn) -> None:
        """Change the key if all follow or the person is sure; else say who does not."""
        shown = self._shown(turn, is_done=False)
        if shown.left_count and not self._request.is_sure:
            self._idle()
            turn.answer(self._client, shown)
        else:
            turn.answer(self._client, Remark("the master's key is changed now"))
            self._write(turn, Stage.SWITCHING, KeyWork("switch"))

    def _on_switched(self, turn: Turn, problem: str) -> None:
        if problem:
            if self.stage is Stage.SWITCHING:
                self._fail(turn, problem)
            return
        was_awaited = self.stage is Stage.SWITCHING
        self.stage = Stage.OVER
        self._roster.timetable.clear(DUE)
        shown = self._shown(turn, is_done=True)
        for each in shown.left:
            text = (
                f"{each.minion} does not know the master's new key and must join anew: {each.why}"
            )
            turn.report("warning", f"left.behind {each.minion}", text)
        turn.publish(
            master_event("key_rotated", turn.now.wall, old_key=shown.old_key, new_key=shown.new_key)
        )
        if was_awaited:
            turn.answer(self._client, shown)
        turn.effects.append(StartAfresh())

    def _shown(self, turn: Turn, *, is_done: bool) -> Rotation:
        announced = self._followers.announced
        assert announced is not None
        follow, left = self._sorted(announced)
        tokens = self._keys.token_infos(turn)
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
        for name, minion in sorted(self._roster.by_id.items()):
            if self._followers.knows(minion.key, announced.following[0]):
                follow.append(name)
            else:
                left.append(LeftBehind(name, self._followers.why_not(minion)))
        return follow, left
