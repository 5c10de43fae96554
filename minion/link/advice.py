"""What a person may have to do about an attempt that failed, in a sentence for log and status."""

from typing import Final

from limpet.minion.link.states import ADVICE, Loss

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
