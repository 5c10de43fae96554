"""Who answers what minions ask, as the core sees them: one desk for files, one for pillar."""

from typing import Protocol

from limpet.common.messages.sources import Ask, Pull, refused_offer, refused_piece
from limpet.master.sessions.minion import Minion, Session
from limpet.master.turn import Turn


class AnsweringDesk(Protocol):
    """Answers questions of accepted minions in their present session, at once or later.

    A question that is asked again with the same session and request number is the same question:
    what is under way for it is not begun a second time, and what was answered is answered again.
    Who answers later looks first whether `minion.session is session` still holds.
    """

    def on_ask(self, turn: Turn, minion: Minion, session: Session, ask: Ask) -> None:
        """Answer with an `Offer` by `turn.send(session.peer, minion.key, …)`."""
        ...

    def on_pull(self, turn: Turn, minion: Minion, session: Session, pull: Pull) -> None:
        """Answer with a `Piece` likewise."""
        ...


class NothingServed:
    """Stands where nobody answers, and says so."""

    def on_ask(self, turn: Turn, minion: Minion, session: Session, ask: Ask) -> None:
        """Refuse."""
        text = f"this master serves no {ask.kind}"
        turn.send(session.peer, minion.key, refused_offer(ask, text))

    def on_pull(self, turn: Turn, minion: Minion, session: Session, pull: Pull) -> None:
        """Refuse."""
        text = f"this master serves no {pull.kind}"
        turn.send(session.peer, minion.key, refused_piece(pull, text))
