"""What people are told of the link: why it was lost or denied, and what they may have to do."""

from typing import Final

from limpet.common.messages.session import Denied
from limpet.minion.core.notes import Notes
from limpet.minion.core.outbox import Outbox
from limpet.minion.sessions.states import ADVICE, Loss

_NEVER_IN: Final = (
    "the master there has another key than `master_key` or the join string says. Join strings made "
    "before the master's key was rotated are dead: make a new one there (`limpet token create`), "
    "and here `limpet minion setup --join STRING`"
)
_WAS_IN: Final = (
    "the master's key changed: the one there has none of the {number} that this minion knows. It "
    "was rotated without this minion being told, or restored from an old backup, or this is "
    "another master; compare with `limpet keys show --master` there. To join it anew: make a join "
    "string there (`limpet token create`), and here `limpet minion setup --join STRING`"
)


def advice(loss: Loss, *, was_accepted: bool, keys: int) -> str:
    """Give the advice for a loss; '' where nothing has to be done.

    `keys`: how many of the master's keys were tried.
    """
    if loss is Loss.HANDSHAKE_FAILED:
        return _WAS_IN.format(number=keys) if was_accepted else _NEVER_IN
    return ADVICE.get(loss, "")


class Adviser:
    """Words for the log, and for the status the advice on the last failure."""

    def __init__(self, host: str, notes: Notes, outbox: Outbox) -> None:
        self._host = host
        self._notes = notes
        self._outbox = outbox
        self.advice = ""
        """What a person may have to do about the last failure; empty when READY."""

    def on_ready(self, address: str, cause: str) -> None:
        """Say that the link is there again."""
        self.advice = ""
        self._outbox.info(
            f"ready after {cause}", f"ready: in a session with the master at {address}"
        )

    def on_lost(self, address: str, loss: Loss) -> None:
        """Say that a session has ended."""
        self._outbox.warning(f"lost {loss}", f"the link to {address} is lost: {loss}")

    def on_failed(self, loss: Loss, *, in_a_row: int, keys: int) -> None:
        """Say that an attempt has failed; `keys`: how many of the master's keys were tried."""
        self.advice = advice(loss, was_accepted=self._notes.is_accepted, keys=keys)
        text = f"no link to {self._host}: {loss} ({in_a_row} in a row)"
        self._outbox.warning(f"failed {loss}", f"{text}: {self.advice}" if self.advice else text)

    def on_denied(self, denied: Denied) -> None:
        """Say that the master turns this minion away."""
        text = f"the master denies: {denied.reason}; {denied.text}"
        self._outbox.warning(f"denied {denied.reason}", text)

    def on_refused(self, text: str) -> None:
        """Say that the master does not take this minion's key."""
        self._outbox.warning(
            "refused",
            f"the master refuses to enrol: {text} (its log and `limpet keys list` there say why); "
            "asking again",
        )
