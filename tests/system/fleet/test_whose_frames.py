"""Whose a frame is when connections end, come back and take each other's places, on real TCP.

Nothing here is read from the listening end but what a test says: so ends, new connections and
frames wait side by side, and are met in the order that is hardest to tell apart.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from limpet.common.identifiers import MinionKey
from limpet.common.transport.events import Arrival, Disconnected
from limpet.common.transport.sockets import BadArrival, PeerGone
from support.hostile.hostile import HostilePeer
from support.hostile.links import Listener, listener
from support.pages import curve


class Visitor:
    """A peer that speaks by hand, so that it takes one descriptor at each end, and no more."""

    def __init__(self, listening: Listener, keypair: tuple[bytes, bytes] | None = None) -> None:
        self.keypair = keypair or curve.make_keypair()
        self.key = MinionKey(self.keypair[0].hex())
        self._listening = listening
        self.peer = HostilePeer(listening.port)

    def log_in(self, *, claim: bytes = b"") -> None:
        """Log in while nothing but keys is looked at; `claim` a name of the connection."""
        done = threading.Event()

        def talk() -> None:
            self.peer.log_in(
                self._listening.public_key, self.keypair, {"Identity": claim} if claim else None
            )
            assert self.peer.read_frame().startswith(b"\5READY")
            done.set()

        thread = threading.Thread(target=talk)
        thread.start()
        assert wait_for(lambda: self._listening.authenticator.serve() or done.is_set())
        thread.join(10)
        wait_for(lambda: self._listening.authenticator.serve() or done.is_set())
        assert done.is_set()

    def say(self, *words: bytes) -> None:
        for word in words:
            self.peer.send(self.peer.message(word))


def wait_for(is_so: Callable[[], object], within_s: float = 10.0) -> bool:
    deadline = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)
    return True


@contextmanager
def descriptors() -> Iterator[Callable[[int], None]]:
    """Give what has the next connection be accepted with a certain descriptor, free by then.

    The kernel gives the lowest: its caller takes one that was kept for it, and all others are held.
    """
    held = [os.open("/dev/null", os.O_RDONLY)]

    def next_is(fd: int) -> None:
        while (opened := os.open("/dev/null", os.O_RDONLY)) < fd:
            held.append(opened)
        assert opened == fd
        os.close(fd)
        os.close(held.pop(0))

    try:
        yield next_is
    finally:
        for fd in held:
            os.close(fd)


def is_free(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return True
    return False


def came(listening: Listener, frames: int) -> list[Arrival | BadArrival]:
    """Read so many frames, and nothing of what the monitor tells."""
    found: list[Arrival | BadArrival] = []

    def look() -> bool:
        try:
            arrival = listening.router.receive_ready()
        except BadArrival as error:
            found.append(error)
        else:
            if arrival is not None:
                found.append(arrival)
        return len(found) == frames

    assert wait_for(look), found
    return found


def one(listening: Listener) -> Arrival:
    (arrival,) = came(listening, 1)
    assert isinstance(arrival, Arrival)
    return arrival


def test_frames_that_are_read_after_their_connection_ended_are_still_its_own() -> None:
    with listener() as listening:
        visitor = Visitor(listening)
        visitor.log_in()
        visitor.say(b"first")
        first = one(listening)
        visitor.say(b"late", b"later", b"last")
        visitor.peer.close()
        assert wait_for(lambda: is_free(first.fd))
        told = listening.router.events()
        assert any(isinstance(e, Disconnected) and e.peer == first.peer for e in told)

        late = came(listening, 3)

        assert [(a.peer, a.key, a.address) for a in late if isinstance(a, Arrival)] == [
            (first.peer, visitor.key, "127.0.0.1")
        ] * 3
        assert listening.router.connections.of_peer(first.peer) is None  # and stays forgotten


@pytest.mark.parametrize("is_end_read", [True, False], ids=["end read", "end unread"])
def test_who_has_a_descriptor_next_inherits_nothing(is_end_read: bool) -> None:
    with listener() as listening, descriptors() as next_is:
        before = Visitor(listening)
        before.log_in()
        before.say(b"first")
        first = one(listening)
        before.say(b"late")
        before.peer.close()
        assert wait_for(lambda: is_free(first.fd))
        if is_end_read:
            listening.router.events()
        next_is(first.fd)
        after = Visitor(listening)
        after.log_in()
        after.say(b"fresh")

        told = {a.frame: a for a in came(listening, 2) if isinstance(a, Arrival)}

        late, fresh = told[b"late"], told[b"fresh"]
        assert late.fd == fresh.fd == first.fd, "the descriptor was not given again"
        assert (late.peer, late.key) == (first.peer, before.key)
        assert fresh.key == after.key
        assert fresh.peer != first.peer
        left = [e.peer for e in listening.router.events() if isinstance(e, Disconnected)]
        assert fresh.peer not in left
        found = listening.router.connections.of_peer(fresh.peer)
        assert found is not None
        assert (found.fd, found.key) == (fresh.fd, after.key)
        assert listening.router.connections.of_peer(first.peer) is None
        with pytest.raises(PeerGone):
            listening.router.send(first.peer, b"for the first")
        listening.router.send(fresh.peer, b"for the second")
        after.peer.close()


def test_who_claims_the_name_of_a_connection_that_ended_is_not_taken_for_it() -> None:
    """Name and descriptor are those of the victim, and nobody has heard of its end yet."""
    with listener() as listening, descriptors() as next_is:
        victim = Visitor(listening)
        victim.log_in()
        victim.say(b"first")
        first = one(listening)
        victim.peer.close()
        assert wait_for(lambda: is_free(first.fd))
        for _ in range(10):  # libzmq lets go of a name in steps, while it is asked for frames
            assert listening.router.receive_ready() is None
            time.sleep(0.005)
        next_is(first.fd)
        thief = Visitor(listening)
        thief.log_in(claim=first.peer)
        thief.say(b"forged", b"forged again")

        for found in came(listening, 2):
            assert found.key == thief.key
            assert found.fd == first.fd, "the descriptor was not given again"
        ends = [e for e in listening.router.events() if isinstance(e, Disconnected)]
        assert [(e.peer, e.key) for e in ends] == [(first.peer, victim.key)]
        bound = listening.router.connections.of_peer(first.peer)
        assert bound is None or bound.key == thief.key
        thief.peer.close()


def test_a_minion_that_comes_back_before_its_end_is_heard_is_another_connection() -> None:
    with listener() as listening:
        visitor = Visitor(listening)
        visitor.log_in()
        visitor.say(b"first")
        first = one(listening)
        visitor.say(b"late")
        again = Visitor(listening, visitor.keypair)
        visitor.peer.close()
        again.log_in()
        again.say(b"again")

        told = {a.frame: a for a in came(listening, 2) if isinstance(a, Arrival)}

        assert told[b"late"].peer == first.peer
        assert told[b"again"].peer != first.peer
        assert told[b"late"].key == told[b"again"].key == visitor.key
        assert told[b"again"].fd != first.fd
        again.peer.close()
