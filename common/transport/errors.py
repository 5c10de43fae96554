"""What can go wrong at a socket, as types that a caller can tell apart."""

from limpet.common.errors import LimpetError, PeerError
from limpet.common.identifiers import MinionKey


class PeerGone(LimpetError):
    """The connection that was written to has ended."""

    def __init__(self) -> None:
        super().__init__("the connection has ended")


class PeerFull(LimpetError):
    """The connection takes nothing more for now: its peer does not read fast enough."""

    def __init__(self) -> None:
        super().__init__("the connection's queue is full")


class FrameTooLarge(LimpetError):
    """A frame of our own is over the receiver's limit, and would have cost the connection."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"a frame of {size} bytes is over the receiver's limit of {limit}")


class BadArrival(PeerError):
    """A frame broke the rules of the transport; says whose it was as far as that is known.

    Reasons: `no_user_id`, `parts`, `empty`, `routing_id_set`. The caller counts it and cuts the
    connection with `RouterSocket.shut(error.fd, error.peer)`.
    """

    def __init__(
        self, reason: str, message: str, *, fd: int, peer: bytes, key: MinionKey | None
    ) -> None:
        self.fd = fd
        self.peer = peer
        self.key = key
        super().__init__(reason, message)
