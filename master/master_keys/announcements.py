"""Who of the minions knows the master's next keys: they are told in each session until they say so.

Told after Welcome where the session speaks protocol 2, again every half minute until it is kept,
and at once when it changes. What a minion has kept is a note in the store, `trust KEY`: the serial.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from limpet.common.clock import Instant
from limpet.common.identifiers import Commit, MinionId, MinionKey
from limpet.common.messages.trust import TRUST_PROTOCOL, TrustAck
from limpet.master.core.effects import NOW, WriteKeys
from limpet.master.core.step import Step
from limpet.master.core.timers import Timers
from limpet.master.master_keys.announced import Announced, Following
from limpet.master.master_keys.key_work import KeyWork
from limpet.master.sessions.minion import Minion, Session
from limpet.master.store.operations import PutNote

AGAIN_S: Final = 30.0
"""How long an answer may take until a minion is told again."""
RAISE_EVERY_S: Final = 3600.0
RAISES_MAX: Final = 3
"""So often at once, then each hour, a minion's word makes the serial grow: each time the whole
fleet is told anew."""
SERIAL_MAX: Final = 2**52
SERIAL_STEP_MAX: Final = 366 * 86_400
"""So far above the present serial and the clock (serials are seconds since 1970) a minion's word
is believed at once, as nobody has signed it: a lie does not use the numbers up, and a master that
is behind with its clock gets there in steps."""
_NOTE: Final = "trust "


class Announcements:
    """Tells minions of the keys, and remembers who has kept which announcement."""

    def __init__(
        self,
        announced: Announced | None,
        notes: Mapping[str, str],
        timers: Timers[tuple[str, str, str]],
    ) -> None:
        self.announced = announced
        """What minions are told now; None: nothing could be prepared."""
        self._timers = timers
        self._kept: dict[MinionKey, int] = {
            MinionKey(name.removeprefix(_NOTE)): int(value)
            for name, value in notes.items()
            if name.startswith(_NOTE) and value.isascii() and value.isdigit()
        }
        self._knowing = 0
        """How many of those know the next key: looked at often, so counted as it changes."""
        self._count_knowing()
        self._raises_left = RAISES_MAX
        self._raise_again_at = Instant(0.0)
        self._is_raising = False

    def knows(self, key: MinionKey, following: Following) -> bool:
        """Say whether the minion with this key has kept an announcement of that master's key."""
        return self._kept.get(key, 0) >= following.since

    def knows_next(self, key: MinionKey) -> bool:
        """Say whether the minion would follow a rotation now."""
        return (
            self.announced is not None
            and bool(self.announced.following)
            and self.knows(key, self.announced.following[0])
        )

    @property
    def knowing(self) -> int:
        """Say how many would follow a rotation now."""
        return self._knowing

    def _count_knowing(self) -> None:
        self._knowing = sum(map(self.knows_next, self._kept))

    def is_awaited(self, minion: Minion) -> bool:
        """Say whether an answer of this minion may come in a moment."""
        session = minion.session
        if session is None:
            return minion.presence == "reconnecting" and not self.knows_next(minion.key)
        return session.protocol >= TRUST_PROTOCOL and not session.has_trust

    def why_not(self, minion: Minion) -> str:
        """Say why this minion would not follow; or ''."""
        if self.announced is None or self.knows_next(minion.key):
            return ""
        session = minion.session
        if session is None:
            return "was never told the next keys of the master, and is not here now"
        if session.protocol < TRUST_PROTOCOL:
            return f"its release ({minion.version or 'unknown'}) can't be told the next keys"
        return "has not confirmed the next keys of the master yet"

    # -- telling --------------------------------------------------------------------------------

    def tell(self, step: Step, minion: Minion, after: Commit = NOW) -> None:
        """Tell a minion in its session, and again later until it has answered."""
        session, announced = minion.session, self.announced
        if announced is None or session is None or session.protocol < TRUST_PROTOCOL:
            return
        step.send(session.peer, minion.key, announced.told(session.number), after)
        self._timers.set(("trust", minion.key, ""), step.now.after(AGAIN_S))

    def on_announced(self, step: Step, announced: Announced, minions: Iterable[Minion]) -> None:
        """Tell all that are here of something new."""
        self._is_raising = False
        self.announced = announced
        self._count_knowing()
        for minion in minions:
            if minion.session is not None:
                minion.session.has_trust = False
                self.tell(step, minion)

    def on_due(self, step: Step, minion: Minion | None) -> None:
        """Tell a minion again that has not answered; one that is away is told when it comes."""
        if minion is not None and minion.session is not None and not minion.session.has_trust:
            self.tell(step, minion)

    def forget(self, step: Step, key: MinionKey) -> None:
        """Forget a key that is no longer accepted: who comes with it again is told anew."""
        self._timers.clear(("trust", key, ""))
        self._knowing -= self.knows_next(key)
        if self._kept.pop(key, None) is not None:
            step.keep(PutNote(f"{_NOTE}{key}", ""))

    # -- answers --------------------------------------------------------------------------------

    def on_ack(self, step: Step, minion: Minion, session: Session, said: TrustAck) -> None:
        """Take note of what a minion says it has kept."""
        announced = self.announced
        if announced is None or said.serial != announced.serial:
            step.count("stale_trust_ack")
            return
        name = minion.minion
        if said.verdict == "kept":
            session.has_trust = True
            self._timers.clear(("trust", minion.key, ""))
            if self._kept.get(minion.key) != said.serial:
                self._knowing -= self.knows_next(minion.key)
                self._kept[minion.key] = said.serial
                self._knowing += self.knows_next(minion.key)
                step.keep(PutNote(f"{_NOTE}{minion.key}", str(said.serial)))
        elif said.verdict == "stale":
            self._on_stale(step, name, said.held)
        elif said.verdict == "refused":
            step.report(
                "error",
                f"trust {name}",
                f"{name} does not believe this master's next keys ({said.text}): it will not "
                "follow when the master's key is rotated. Its file keys/master.trust is of another "
                "master; remove it and its copy there, and restart the minion",
            )
        else:
            text = f"{name} could not keep the master's next keys: {said.text}; it is told again"
            step.report("warning", f"trust {name}", text)

    def _on_stale(self, step: Step, name: MinionId, held: int) -> None:
        """Go on above a serial that is younger: this master was restored from a backup."""
        if not 0 < held < SERIAL_MAX or self._is_raising:
            return
        if step.now.boot >= self._raise_again_at:
            self._raises_left = max(self._raises_left, 1)
            self._raise_again_at = step.now.after(RAISE_EVERY_S)
        if self._raises_left <= 0:
            step.report(
                "warning", "trust serial", f"{name} has a younger list of keys; raised within 1 h"
            )
            return
        self._raises_left -= 1
        self._is_raising = True
        present = 0 if self.announced is None else self.announced.serial
        believed = min(held, max(present, int(step.now.wall)) + SERIAL_STEP_MAX)
        if believed < held:
            step.count("trust_serial_too_high")
        step.report(
            "info",
            "trust serial",
            f"{name} has a younger list of this master's keys (was the master restored from a "
            "backup?): the present one is told again above it",
        )
        step.effects.append(WriteKeys(KeyWork("raise", believed)))

    def on_raise_failed(self) -> None:
        """Let the next one who says so try again."""
        self._is_raising = False
