"""What the master refuses, as exceptions that know the exit code of the command line."""

from limpet.common.control.replies import NoMinion, Refused
from limpet.common.errors import (
    ExitCode,
    HostError,
    LimpetError,
    MasterUnreachable,
    PeerError,
    UsageError,
)


class NoMinionMatched(LimpetError):
    """The target matched no accepted minion; nothing was stored and nothing will run."""

    exit_code = ExitCode.NO_MINION


class ConnectionLost(Exception):
    """The master is away, or does not answer; asking again may help. Never leaves the client."""

    def __init__(self, why: str, *, is_silence: bool = False) -> None:
        """`is_silence`: it has the connection and says nothing, and much time has passed."""
        self.is_silence = is_silence
        super().__init__(why)


def raise_refusal(reply: object) -> None:
    """Raise what a refusing reply stands for; do nothing about any other reply."""
    if isinstance(reply, NoMinion):
        raise NoMinionMatched(reply.text or f"no minion matches {reply.target[:80]!a}")
    if not isinstance(reply, Refused):
        return
    if reply.reason in ("stopping", "busy"):
        raise ConnectionLost(reply.text or f"the master is {reply.reason}")
    if reply.reason in ("usage", "unknown_job"):
        raise UsageError(reply.text)
    if reply.reason == "denied":
        raise MasterUnreachable(reply.text)
    if reply.reason == "store":
        raise HostError(reply.text)
    raise LimpetError(reply.text)


def unexpected(reply: object) -> PeerError:
    """Make the error for a reply that does not belong to the request."""
    return PeerError(
        "unexpected",
        f"the master answered with {type(reply).__name__}, which does not belong to the question; "
        "are the command and the master of the same release?",
    )
