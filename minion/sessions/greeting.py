"""The first words on either port, and what a Welcome is worth."""

import random
from dataclasses import dataclass

from limpet.common.clock import Instant, Moment, to_micros, to_seconds
from limpet.common.identifiers import Attempt, JournalId, SessionId
from limpet.common.messages.enrolment import EnrolRequest
from limpet.common.messages.session import Busy, Hello, Welcome
from limpet.minion.core.notes import Notes
from limpet.minion.core.settings import LinkSettings
from limpet.minion.sessions.states import (
    BEAT_DEFAULT_S,
    BEAT_MAX_S,
    BEAT_MIN_S,
    BEATS_TO_LOSS,
    WAITING_S,
)


@dataclass(frozen=True, slots=True)
class Line:
    """An open session, as those see it who send on it."""

    attempt: Attempt
    session: SessionId
    beat_interval_s: float


@dataclass(frozen=True, slots=True)
class Greeting:
    """A question that waits for its answer: the nonce that the answer must carry."""

    nonce: bytes
    sent: Instant
    round_trip_s: float | None = None
    """Known if the first answer was Busy."""

    def put_off(self, at: Instant) -> "Greeting":
        """Note when Busy came."""
        return Greeting(self.nonce, self.sent, at - self.sent)

    def asked_before(self, answered: Instant) -> Instant:
        """Give when the question left that is answered now.

        After Busy the Welcome is written of the master's own accord: as if it had been asked for
        one round trip before it came.
        """
        if self.round_trip_s is None:
            return self.sent
        return Instant(answered - self.round_trip_s)


def make_nonce(chance: random.Random) -> bytes:
    """Make 16 random bytes."""
    return chance.getrandbits(128).to_bytes(16, "big")


class Greeter:
    """Makes the greetings of one process, and knows the one that waits for its answer."""

    def __init__(
        self,
        settings: LinkSettings,
        notes: Notes,
        chance: random.Random,
        *,
        boot_id: str,
        journal_id: JournalId,
    ) -> None:
        self._settings = settings
        self._notes = notes
        self._chance = chance
        self._boot_id = boot_id
        self._journal_id = journal_id
        self._is_token_refused = False
        self._counter = 0
        self._open: Greeting | None = None

    def hello(self, now: Moment, *, grains_digest: str, last_loss: str, attempts: int) -> Hello:
        """Make a Hello. Its counter is higher than that of any before in this boot."""
        self._counter = max(self._counter + 1, to_micros(now.boot))
        self._open = greeting = Greeting(make_nonce(self._chance), now.boot)
        return Hello(
            protocol_min=self._settings.protocol_min,
            protocol_max=self._settings.protocol_max,
            version=self._settings.version[:200],
            boot_id=self._boot_id,
            link_counter=self._counter,
            nonce=greeting.nonce,
            journal_id=self._journal_id,
            grains_digest=grains_digest,
            store_id=self._notes.store_id,
            store_commit=self._notes.store_commit,
            last_loss=last_loss,
            attempts=attempts,
        )

    def enrol(self, now: Moment) -> EnrolRequest:
        """Make a request to be accepted, not yet signed.

        A token that was refused after it had let this minion in is left out from then on: the
        master was restored from before that, or lost its store. Without it the key is pending
        there, and somebody at the master can accept it; nobody has to come here.
        """
        is_spent = self._is_token_refused and self._notes.is_accepted
        self._open = greeting = Greeting(make_nonce(self._chance), now.boot)
        return EnrolRequest(
            protocol_min=self._settings.protocol_min,
            protocol_max=self._settings.protocol_max,
            version=self._settings.version[:200],
            minion_id=self._settings.minion_id,
            nonce=greeting.nonce,
            timestamp=max(0, to_micros(now.wall)),
            token_id="" if is_spent else self._settings.join_token_id,
            signature=b"",
        )

    def is_answer(self, nonce: bytes) -> bool:
        """Say whether an answer with this nonce is one to what was asked last."""
        return self._open is not None and self._open.nonce == nonce

    def on_busy(self, at: Instant) -> None:
        """Note when the first answer, Busy, came; the question stays open."""
        assert self._open is not None
        self._open = self._open.put_off(at)

    def take(self) -> Greeting:
        """Give the question that was answered; a second answer to it is none."""
        greeting, self._open = self._open, None
        assert greeting is not None
        return greeting

    def forget(self) -> None:
        """Wait for no answer any more."""
        self._open = None

    def on_refused(self) -> None:
        """Note that the master refused to enrol this minion."""
        self._is_token_refused = True

    def is_spoken(self, welcome: Welcome) -> bool:
        """Say whether the protocol that the master chose is one of ours."""
        return self._settings.protocol_min <= welcome.protocol <= self._settings.protocol_max


def beat_interval_s(welcome: Welcome) -> float:
    """Give the interval that the master asks for, within reason; 0 means the usual one."""
    asked = to_seconds(welcome.beat_interval) or BEAT_DEFAULT_S
    return min(max(asked, BEAT_MIN_S), BEAT_MAX_S)


def busy_silence_s(busy: Busy) -> float:
    """Give how long a master that is busy may be silent before it counts as gone."""
    asked = to_seconds(busy.wait)
    if not asked:
        return WAITING_S
    return min(BEATS_TO_LOSS * max(asked, BEAT_DEFAULT_S), WAITING_S)
