"""Large messages to a minion that reads nothing are bounded in bytes."""

from limpet.master.core.effects import Peer
from limpet.master.process.send_backlog import UNREAD_BYTES_MAX, SendBacklog

ONE, TWO = Peer(b"1"), Peer(b"2")
PIECE = UNREAD_BYTES_MAX // 4


class Kernel:
    """What TCP says, by descriptor."""

    def __init__(self) -> None:
        self.acknowledged: dict[int, int | None] = {1: 1000, 2: 0}
        self.unread = SendBacklog(self.acknowledged.get)

    def taken(self, peer: Peer, fd: int, tries: int) -> int:
        return sum(self.unread.take(peer, fd, PIECE) for _ in range(tries))


def test_who_reads_nothing_is_sent_so_much_and_no_more() -> None:
    kernel = Kernel()
    assert kernel.taken(ONE, 1, 10) == 4
    assert kernel.taken(TWO, 2, 10) == 4, "each connection has its own"
    kernel.acknowledged[1] = 1000 + 2 * PIECE
    assert kernel.taken(ONE, 1, 10) == 2


def test_one_that_is_larger_than_the_bound_goes_alone() -> None:
    kernel = Kernel()
    assert kernel.unread.take(ONE, 1, 2 * UNREAD_BYTES_MAX)
    assert not kernel.unread.take(ONE, 1, 1)


def test_other_messages_that_arrive_make_no_credit() -> None:
    kernel = Kernel()
    assert kernel.taken(ONE, 1, 1) == 1
    kernel.acknowledged[1] = 10**9
    assert kernel.taken(ONE, 1, 10) == 4


def test_a_connection_that_ends_is_forgotten() -> None:
    kernel = Kernel()
    assert kernel.taken(ONE, 1, 10) == 4
    kernel.unread.forget(ONE)
    assert kernel.taken(ONE, 1, 10) == 4
    kernel.acknowledged[1] = None
    assert kernel.unread.take(ONE, 1, PIECE), "the sending will tell"
