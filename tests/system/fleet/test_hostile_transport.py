"""A listening port against peers that break every rule, while honest ones go on being served."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import pytest
import zmq

from limpet.common.transport import tcp
from limpet.common.transport.endpoints import port_of
from limpet.common.transport.events import Disconnected, HandshakeFailed
from limpet.common.transport.sockets import BadArrival, Context, RouterSocket, make_keypair
from limpet.common.transport.watcher import Cut, Watcher, WatcherLimits
from support.hostile import hostile
from support.hostile.hostile import HostilePeer
from support.hostile.links import Caller, Listener, admit_all, caller, connected, listener
from support.hostile.proxies import Relay, Spoil
from support.pages import curve

LIMITS = WatcherLimits(unfinished_bytes_max=4 * 256 * 1024, first_message_s=8)


@pytest.fixture
def context() -> Iterator[Context]:
    """The context of the honest minions of a test."""
    made = Context()
    yield made
    assert made.close()


@dataclass
class Served:
    """A listener that turns in a thread of its own, as a daemon would, and answers every frame."""

    listening: Listener
    watcher: Watcher
    cuts: list[Cut] = field(default_factory=list)
    is_stopped: bool = False

    @property
    def port(self) -> int:
        return self.listening.port

    def run(self) -> None:
        while not self.is_stopped:
            self.turn()

    def turn(self) -> None:
        listening, router = self.listening, self.listening.router
        seen_events, seen_bad, seen = (
            len(listening.events),
            len(listening.bad),
            len(listening.arrivals),
        )
        listening.turn()
        now = time.monotonic()
        for event in listening.events[seen_events:]:
            if isinstance(event, Disconnected):
                self.watcher.disconnected(event.fd)
            elif not isinstance(event, HandshakeFailed):
                self.watcher.accepted(event.fd, event.address, now)
        for error in listening.bad[seen_bad:]:
            router.shut(error.fd, error.peer)
        for arrival in listening.arrivals[seen:]:
            self.watcher.message(arrival.fd, arrival.peer, now)
            # A peer that has gone meanwhile wants no answer.
            with contextlib.suppress(Exception):
                router.send(arrival.peer, b"echo " + arrival.frame)
        for cut in self.watcher.sweep(now, router.is_drained):
            self.cuts.append(cut)
            router.shut(cut.fd, cut.peer)

    def reasons(self) -> list[str]:
        return [error.reason for error in self.listening.bad]

    def failures(self) -> list[str]:
        return [e.reason for e in self.listening.events if isinstance(e, HandshakeFailed)]


@contextlib.contextmanager
def served(
    admit: Callable[[bytes, str], bool] = admit_all,
    *,
    limits: WatcherLimits = LIMITS,
    handshake_s: float = 3.0,
    frame_bytes_max: int = 256 * 1024,
) -> Iterator[Served]:
    """Give a listener that is being served."""
    with listener(admit, handshake_s=handshake_s, frame_bytes_max=frame_bytes_max) as listening:
        watcher = Watcher(limits, received=tcp.bytes_received, taken=tcp.bytes_taken)
        serving = Served(listening, watcher)
        thread = threading.Thread(target=serving.run)
        thread.start()
        try:
            yield serving
        finally:
            serving.is_stopped = True
            thread.join()


@contextlib.contextmanager
def honest(serving: Served, context: Context) -> Iterator[Caller]:
    """Give a minion that has been answered once."""
    minion = caller(context, serving.port, serving.listening.public_key)
    try:
        assert until(partial(minion.has, "ready"), 10), minion.events
        assert round_trip_s(minion) < 5
        yield minion
    finally:
        minion.socket.close()


def round_trip_s(minion: Caller) -> float:
    started = time.monotonic()
    assert minion.socket.send(b"ping")
    assert minion.socket.receive(10, "the echo") == b"echo ping"
    return time.monotonic() - started


def until(is_done: Callable[[], object], within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while not is_done():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.mark.covers("B-9", "A22", "G8", "A4")
@pytest.mark.parametrize(
    "opening",
    [
        b"GET / HTTP/1.1\r\nHost: salt\r\n\r\n".ljust(100),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".ljust(517, b"\x5a"),
        b"SSH-2.0-OpenSSH_9.6\r\n".ljust(80),
        bytes(range(256)) * 4,
        b"\xff" * 200,
        bytes(200),
        hostile.GREETING_NULL + b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER",
        hostile.GREETING_PLAIN + b"\x04\x09\x05HELLO\x01a\x01b",
        hostile.GREETING_ZMTP_2 + b"\0\0" + b"\0\5hello",
        hostile.GREETING_ZMTP_1 + b"\x06\0hello",
    ],
    ids=["http", "tls", "ssh", "bytes", "ff", "zeros", "null", "plain", "zmtp 2", "zmtp 1"],
)
def test_whoever_speaks_something_else_is_closed_and_heard_by_nobody(
    context: Context, opening: bytes
) -> None:
    with served(handshake_s=1) as serving, honest(serving, context) as minion:
        heard = len(serving.listening.arrivals)
        with HostilePeer(serving.port) as peer:
            with contextlib.suppress(OSError):  # it may be closed before all is sent
                peer.send(opening)
            assert peer.wait_for_end(5) is not None

        assert until(lambda: serving.failures(), 5)
        assert set(serving.failures()) <= {"handshake_failed", "handshake_timeout"}
        assert len(serving.listening.arrivals) == heard
        assert round_trip_s(minion) < 1


@pytest.mark.covers("B-10", "A22")
@pytest.mark.parametrize("steps", ["nothing", "greeting", "hello", "slow greeting"])
def test_a_handshake_that_stands_still_is_closed_when_its_time_is_over(
    context: Context, steps: str
) -> None:
    with served(handshake_s=1) as serving, honest(serving, context) as minion:
        with HostilePeer(serving.port) as peer:
            started = time.monotonic()
            if steps == "greeting":
                peer.greet()
            elif steps == "hello":
                peer.greet()
                peer.hello(serving.listening.public_key)
            elif steps == "slow greeting":
                with contextlib.suppress(OSError):
                    for byte in hostile.GREETING_CURVE:
                        peer.send(bytes((byte,)))
                        time.sleep(0.1)
            else:
                assert steps == "nothing"
            assert peer.wait_for_end(5) is not None
            assert 0.9 <= time.monotonic() - started < 5

        assert until(lambda: "handshake_timeout" in serving.failures(), 5), serving.failures()
        assert round_trip_s(minion) < 1


@pytest.mark.covers("B-10", "A3")
def test_a_key_that_nobody_judges_in_time_is_closed_and_a_late_yes_has_no_effect(
    context: Context,
) -> None:
    """Nobody serves the authenticator while the handshake's time runs out."""
    with listener(handshake_s=0.5) as listening:
        with HostilePeer(listening.port) as peer:
            peer.log_in(listening.public_key)
            lasted_s = peer.wait_for_end(5)
            assert lasted_s is not None
            assert 0.3 <= lasted_s < 3

        listening.turn()
        listening.turn()
        assert listening.arrivals == []
        with connected(listening, context) as minion:
            assert minion.events == ["connected", "ready"]


def _spoilt_at(start: int) -> Spoil:
    """Flip one bit, so many bytes after the beginning of the connection."""

    def spoil(piece: bytes, before: int) -> bytes:
        at = start - before
        if 0 <= at < len(piece):
            return piece[:at] + bytes((piece[at] ^ 0x10,)) + piece[at + 1 :]
        return piece

    return spoil


@pytest.mark.covers("B-11", "G2")
@pytest.mark.parametrize("at", [3, 20, 70, 150, 300, 400, 560, 620, 700])
def test_a_bit_that_flips_on_the_way_ends_that_connection_and_nothing_else(
    context: Context, at: int
) -> None:
    with served(handshake_s=1) as serving, honest(serving, context) as minion:
        heard = len(serving.listening.arrivals)
        with Relay(serving.port, to_listener=_spoilt_at(at)) as relay:
            spoilt = caller(context, relay.port, serving.listening.public_key, handshake_s=1)
            ends = {"handshake_failed", "disconnected", "denied"}

            def has_ended() -> bool:
                with contextlib.suppress(zmq.ZMQError):
                    spoilt.socket.send(b"x" * 200)
                return spoilt.has("connected") and not ends.isdisjoint(spoilt.events)

            # Some bits of the greeting mean nothing; then it is a connection like any other.
            if not until(has_ended, 2 if at < 64 else 6):
                assert at < 64
            spoilt.socket.close()
        whole = {b"x" * 200, b"ping"}
        assert {a.frame for a in serving.listening.arrivals[heard:]} <= whole
        assert round_trip_s(minion) < 1


@pytest.mark.covers("B-11", "G10")
def test_a_frame_that_does_not_decrypt_ends_its_connection_at_once_and_leaves_nothing(
    context: Context,
) -> None:
    with served() as serving, honest(serving, context) as minion:
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(20):
            with HostilePeer(serving.port) as peer:
                peer.log_in(serving.listening.public_key)
                assert peer.read_frame().startswith(b"\5READY")
                good = peer.message(b"flipped")
                peer.send(good[:-1] + bytes((good[-1] ^ 1,)))
                ended_s = peer.wait_for_end(5)
                assert ended_s is not None
                assert ended_s < 0.5, "the watcher would have needed a second"
        assert round_trip_s(minion) < 1
        assert until(lambda: len(os.listdir("/proc/self/fd")) <= before + 2, 5)


@pytest.mark.covers("B-11", "G9")
def test_a_part_that_is_sent_twice_or_out_of_order_is_not_heard(context: Context) -> None:
    with served() as serving, honest(serving, context) as minion:
        for order in ("twice", "backwards"):
            with HostilePeer(serving.port) as peer:
                peer.log_in(serving.listening.public_key)
                assert peer.read_frame().startswith(b"\5READY")
                peer.send(peer.message(b"here"))
                assert peer.read_frame()  # it was heard, and answered
                first, second = peer.message(b"first " + order.encode()), peer.message(b"second")
                peer.send(first + first if order == "twice" else second + first)
                assert peer.wait_for_end(5) is not None
        assert round_trip_s(minion) < 1
        frames = [a.frame for a in serving.listening.arrivals]
        assert frames.count(b"here") == 2
        assert frames.count(b"first twice") <= 1, "the end of its connection may take it along"
        assert frames.count(b"first backwards") == 0


@pytest.mark.covers("B-2")
def test_what_a_peer_claims_of_itself_counts_for_nothing(context: Context) -> None:
    keypair = curve.make_keypair()
    claims = {
        "User-Id": b"f" * 64,
        "Peer-Address": b"203.0.113.9",
        "X-Key": b"root",
        "Resource": b"admin",
        "__fd": b"0",
    }
    with served() as serving, HostilePeer(serving.port) as peer:
        peer.log_in(serving.listening.public_key, keypair, claims)
        assert peer.read_frame().startswith(b"\5READY")
        peer.send(peer.message(b"it is me"))
        assert until(lambda: serving.listening.arrivals or serving.listening.bad, 5)

        arrival = serving.listening.arrivals[0]
        assert arrival.key == keypair[0].hex()
        assert arrival.address == "127.0.0.1"
        assert arrival.fd > 2
        assert tcp.peer_name(arrival.fd) is not None


@pytest.mark.covers("B-1", "A21")
@pytest.mark.parametrize(
    "domain, insists, accepted",
    [("", 0, True), ("main", 0, True), ("", 1, True), ("main", 1, False)],
)
def test_without_a_handler_only_an_enforced_domain_keeps_unknown_keys_out(
    domain: str, insists: int, accepted: bool
) -> None:
    """Measured on plain ZeroMQ: why the sockets set both, and why a frame's key is checked."""
    raw = zmq.Context()
    public_key, secret_key = make_keypair()
    server = raw.socket(zmq.ROUTER)
    server.setsockopt(zmq.LINGER, 0)
    server.setsockopt(zmq.HANDSHAKE_IVL, 700)
    server.setsockopt(zmq.CURVE_SERVER, 1)
    server.setsockopt(zmq.CURVE_SECRETKEY, secret_key)
    if domain:
        server.setsockopt_string(zmq.ZAP_DOMAIN, domain)
    server.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, insists)
    try:
        port = server.bind_to_random_port("tcp://127.0.0.1")
        with HostilePeer(port) as peer:
            peer.log_in(public_key, metadata={"User-Id": b"root"})
            with contextlib.suppress(OSError):
                peer.read_frame()
                peer.send(peer.message(b"hello"))
            assert bool(server.poll(1500)) is accepted
            if accepted:
                server.recv()
                part = server.recv(copy=False)
                assert part.bytes == b"hello"
                assert part.get("User-Id") == "root", "the peer's own claim passes for an identity"
    finally:
        server.close(0)
        raw.destroy(0)


@pytest.mark.covers("B-1", "B-2")
def test_a_frame_without_a_key_of_ours_is_dropped_and_says_where_it_came_from() -> None:
    """As on a port whose options somebody broke: unknown keys get in, and still are not heard."""
    own = Context(burn=True)
    public_key, secret_key = make_keypair()
    router = RouterSocket(
        own,
        secret_key=secret_key,
        domain="main",
        frame_bytes_max=1024,
        backlog=16,
        high_water=8,
        handshake_s=1,
    )
    raw = router.handles()[0]
    raw.handle.set(zmq.ZAP_ENFORCE_DOMAIN, 0)
    try:
        raw.bind("tcp://127.0.0.1:*")
        port = port_of(raw.bound())
        for metadata in ({}, {"User-Id": b"root"}):
            with HostilePeer(port) as peer:
                peer.log_in(public_key, metadata=metadata)
                assert peer.read_frame().startswith(b"\5READY")
                peer.send(peer.message(b"hello"))
                with pytest.raises(BadArrival) as caught:
                    router.receive(5, "a frame")
                assert caught.value.reason == "no_user_id"
                assert caught.value.key is None
                assert router.shut(caught.value.fd, caught.value.peer)
                assert peer.wait_for_end(5) is not None
    finally:
        router.close()
        assert own.close()


@pytest.mark.covers("B-12")
@pytest.mark.parametrize("key", [bytes(32), b"\1" + bytes(31), b"\xec" + b"\xff" * 30 + b"\x7f"])
def test_a_key_of_small_order_never_gets_in(context: Context, key: bytes) -> None:
    with served(handshake_s=1) as serving, honest(serving, context) as minion:
        heard = len(serving.listening.arrivals)
        with HostilePeer(serving.port) as peer:
            peer.greet()
            peer.hello(serving.listening.public_key)
            with contextlib.suppress(OSError):
                peer.initiate(key, curve.make_keypair()[1], of_small_order=True)
                peer.send(peer.message(b"hello"))
            assert peer.wait_for_end(5) is not None
        assert len(serving.listening.arrivals) == heard
        assert round_trip_s(minion) < 1


@pytest.mark.covers("B-12")
def test_the_masters_own_key_never_gets_in(context: Context) -> None:
    keypair = curve.make_keypair()
    with listener(handshake_s=1, keypair=keypair) as listening:
        minion = caller(context, listening.port, listening.public_key, keypair=keypair)
        assert listening.turn_until(lambda: minion.has("denied"))
        minion.socket.close()
        assert [r.reason for r in listening.authenticator.refusals()] == ["weak_key"]


@pytest.mark.covers("B-12", "B-18")
def test_a_thousand_spoilt_hellos_are_closed_and_the_port_goes_on(context: Context) -> None:
    with served(handshake_s=1) as serving, honest(serving, context) as minion:
        for number in range(300):
            with HostilePeer(serving.port) as peer:
                hello = bytearray(b"\5HELLO\1\0" + bytes(72) + bytes(32) + bytes(8) + bytes(80))
                hello[number % len(hello)] ^= 1 << number % 8
                peer.send(hostile.GREETING_CURVE)
                peer.send_command(bytes(hello))
                assert peer.wait_for_end(5) is not None
        assert round_trip_s(minion) < 1


@pytest.mark.covers("B-8", "G3", "G4")
def test_a_part_at_the_limit_passes_and_a_larger_one_ends_its_connection(
    context: Context,
) -> None:
    with served(frame_bytes_max=2048) as serving, honest(serving, context) as minion:
        for size, passes in ((2048, True), (2049, False), (100_000, False)):
            heard = len(serving.listening.arrivals)
            with HostilePeer(serving.port) as peer:
                peer.log_in(serving.listening.public_key)
                assert peer.read_frame().startswith(b"\5READY")
                with contextlib.suppress(OSError):
                    peer.send(peer.message(bytes(size)))
                if passes:
                    assert peer.read_frame()  # it was heard, and answered
                    assert serving.listening.arrivals[-1].frame == bytes(size)
                else:
                    assert peer.wait_for_end(5) is not None
                    assert len(serving.listening.arrivals) == heard
        for claimed in (2**31, 2**63 - 1, 2**63, 2**64 - 1):
            with HostilePeer(serving.port) as peer:
                peer.log_in(serving.listening.public_key)
                assert peer.read_frame().startswith(b"\5READY")
                peer.send(b"\2" + claimed.to_bytes(8, "big") + b"\7MESSAGE")
                assert peer.wait_for_end(5) is not None, claimed
        assert round_trip_s(minion) < 1


@contextlib.contextmanager
def rough_dealer(serving: Served, **set_options: bytes) -> Iterator["zmq.Socket[bytes]"]:
    """A plain ZeroMQ socket with a good key that does as the test likes."""
    raw = zmq.Context()
    public_key, secret_key = make_keypair()
    dealer = raw.socket(zmq.DEALER)
    dealer.setsockopt(zmq.LINGER, 0)
    dealer.setsockopt(zmq.SNDTIMEO, 5000)
    dealer.setsockopt(zmq.RECONNECT_IVL, 3_600_000)
    dealer.setsockopt(zmq.CURVE_SERVERKEY, serving.listening.public_key)
    dealer.setsockopt(zmq.CURVE_PUBLICKEY, public_key)
    dealer.setsockopt(zmq.CURVE_SECRETKEY, secret_key)
    for name, value in set_options.items():
        dealer.setsockopt(getattr(zmq, name), value)
    dealer.connect(f"tcp://127.0.0.1:{serving.port}")
    try:
        yield dealer
    finally:
        raw.destroy(0)


@pytest.mark.covers("B-5", "B-6", "G6")
@pytest.mark.parametrize(
    "parts, reason", [([b""], "empty"), ([b"a", b"b"], "parts")], ids=["empty", "two"]
)
def test_a_message_of_another_shape_is_dropped_and_its_connection_shut(
    context: Context, parts: list[bytes], reason: str
) -> None:
    with served() as serving, honest(serving, context) as minion, rough_dealer(serving) as rough:
        rough.send_multipart(parts)

        assert until(serving.reasons, 10)
        assert until(lambda: any(e.peer for e in gone(serving)), 10)
        assert serving.reasons() == [reason]
        assert max(round_trip_s(minion) for _ in range(20)) < 1


MILLION = 1_000_000


@pytest.mark.covers("B-6", "G6")
def test_a_million_empty_parts_are_cut_before_they_are_a_message(context: Context) -> None:
    with served() as serving, honest(serving, context) as minion, rough_dealer(serving) as rough:
        for _ in range(MILLION):
            rough.send(b"", zmq.SNDMORE)
        rough.send(b"")

        trips = [round_trip_s(minion)]
        deadline = time.monotonic() + 20
        while not serving.cuts and time.monotonic() < deadline:
            trips.append(round_trip_s(minion))
            time.sleep(0.005)
        assert [cut.reason for cut in serving.cuts] == ["unfinished_message"]
        trips += [round_trip_s(minion) for _ in range(20)]
        assert max(trips) < 1
        assert serving.reasons() == []


@pytest.mark.alone
@pytest.mark.covers("B-6")
def test_a_million_empty_parts_that_got_through_are_drained_unkept(context: Context) -> None:
    """The reader alone, without the watcher; all the others wait for it meanwhile."""
    limits = WatcherLimits(unfinished_bytes_max=10**9, first_message_s=60)
    with (
        served(limits=limits) as serving,
        honest(serving, context) as minion,
        rough_dealer(serving) as rough,
    ):
        for _ in range(MILLION):
            rough.send(b"", zmq.SNDMORE)
        rough.send(b"")

        assert until(serving.reasons, 40)
        assert round_trip_s(minion) < 8
        assert serving.reasons() == ["parts"]
        assert until(lambda: any(e.peer for e in gone(serving)), 10)
        assert max(round_trip_s(minion) for _ in range(20)) < 1


def gone(serving: Served) -> list[Disconnected]:
    return [e for e in serving.listening.events if isinstance(e, Disconnected)]


@pytest.mark.alone
@pytest.mark.covers("B-7", "G6")
@pytest.mark.parametrize("part", [b"", bytes(60_000)], ids=["empty parts", "large parts"])
def test_parts_that_never_end_are_cut_and_honest_peers_are_served(
    context: Context, part: bytes
) -> None:
    with served() as serving, contextlib.ExitStack() as stack:
        minions = [stack.enter_context(honest(serving, context)) for _ in range(5)]
        before = resident_bytes()
        stop = threading.Event()
        with HostilePeer(serving.port) as peer:
            peer.log_in(serving.listening.public_key)
            assert peer.read_frame().startswith(b"\5READY")
            peer.send(peer.message(b"an honest beginning"))
            assert until(lambda: len(serving.listening.arrivals) > 5, 5)
            flood = threading.Thread(target=send_without_end, args=(peer, part, stop))
            started = time.monotonic()
            flood.start()
            worst_s, largest = 0.0, 0
            while flood.is_alive() and time.monotonic() - started < 20:
                worst_s = max(worst_s, *(round_trip_s(m) for m in minions))
                largest = max(largest, resident_bytes() - before)
            cut_after_s = time.monotonic() - started
            stop.set()
            flood.join()
        assert [cut.reason for cut in serving.cuts] == ["unfinished_message"]
        assert cut_after_s < 2
        assert largest < 256 * 2**20
        assert worst_s < 1
        assert until(lambda: any(e.peer == serving.cuts[0].peer for e in gone(serving)), 5)
        assert all(round_trip_s(m) < 1 for m in minions)
        assert len(gone(serving)) == 1, "no honest peer was cut"


def send_without_end(peer: HostilePeer, part: bytes, stop: threading.Event) -> None:
    with contextlib.suppress(OSError):  # cut off
        while not stop.is_set():
            peer.send(b"".join(peer.message(part, more=True) for _ in range(20)))


def resident_bytes() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096


@pytest.mark.alone
@pytest.mark.covers("B-7")
def test_honest_peers_at_full_speed_are_not_cut(context: Context) -> None:
    frame = bytes(250_000)
    with served() as serving, contextlib.ExitStack() as stack:
        minions = [stack.enter_context(honest(serving, context)) for _ in range(4)]

        def pour(minion: Caller) -> int:
            taken = 0
            deadline = time.monotonic() + 3
            while time.monotonic() < deadline:
                if minion.socket.send(frame):
                    taken += 1
                else:
                    time.sleep(0.001)
                while minion.socket.receive_ready() is not None:
                    pass
            return taken

        with ThreadPoolExecutor(len(minions)) as pool:
            taken = sum(pool.map(pour, minions))
        assert taken > 50

        def heard() -> int:
            return sum(a.frame == frame for a in serving.listening.arrivals)

        assert until(lambda: heard() == taken, 20)
        assert serving.cuts == []


@pytest.mark.covers("B-13", "B-13a", "H1")
@pytest.mark.parametrize(
    "chosen", [b"\1", b"web1", b"x" * 255, b"a\0b\n", b"\0", b"\0\1\2\3\4"], ids=repr
)
def test_a_peer_that_names_itself_is_shut_at_its_first_message(
    context: Context, chosen: bytes
) -> None:
    with served() as serving, honest(serving, context) as minion:
        for _ in range(5):
            with HostilePeer(serving.port) as peer:
                peer.log_in(serving.listening.public_key, metadata={"Identity": chosen})
                assert peer.read_frame().startswith(b"\5READY")
                peer.send(peer.message(b"hello"))
                assert peer.wait_for_end(5) is not None
        assert set(serving.reasons()) == {"routing_id_set"}
        assert round_trip_s(minion) < 1


@pytest.mark.covers("B-13", "H1")
def test_a_peer_that_takes_anothers_name_gets_none_of_its_frames(context: Context) -> None:
    with served() as serving, honest(serving, context) as minion:
        victim = serving.listening.arrivals[0].peer
        with HostilePeer(serving.port) as peer:
            peer.log_in(serving.listening.public_key, metadata={"Identity": victim})
            with contextlib.suppress(OSError):
                peer.read_frame()
                peer.send(peer.message(b"I am web1"))
            for _ in range(20):
                assert round_trip_s(minion) < 1
            assert all(a.frame != b"I am web1" for a in serving.listening.arrivals)


@pytest.mark.covers("B-14")
def test_one_key_on_two_connections_is_told_as_two_peers(context: Context) -> None:
    keypair = make_keypair()
    with listener() as listening:
        pair = [
            caller(context, listening.port, listening.public_key, keypair=keypair) for _ in range(2)
        ]
        assert listening.turn_until(lambda: all(m.has("ready") for m in pair))
        for minion in pair:
            minion.socket.send(b"here")
        assert listening.turn_until(lambda: len(listening.arrivals) == 2)
        first, second = listening.arrivals
        assert first.key == second.key
        assert first.peer != second.peer
        assert first.fd != second.fd
        assert all(listening.router.shut_peer(each.peer) for each in (first, second))
        assert listening.turn_until(lambda: all(m.has("disconnected") for m in pair))
        for minion in pair:
            minion.socket.close()


@pytest.mark.covers("B-10")
def test_a_login_that_never_says_anything_is_shut(context: Context) -> None:
    limits = WatcherLimits(unfinished_bytes_max=10**6, first_message_s=0.5)
    with served(limits=limits) as serving, honest(serving, context) as minion:
        with HostilePeer(serving.port) as peer:
            peer.log_in(serving.listening.public_key)
            assert peer.read_frame().startswith(b"\5READY")
            assert peer.wait_for_end(5) is not None
        assert [cut.reason for cut in serving.cuts] == ["no_hello"]
        assert round_trip_s(minion) < 1


@pytest.mark.covers("B-9", "B-10", "G8")
def test_two_hundred_silent_connections_delay_nobody(context: Context) -> None:
    with served(handshake_s=1) as serving, honest(serving, context) as minion:
        with contextlib.ExitStack() as stack:
            silent = [
                stack.enter_context(socket.create_connection(("127.0.0.1", serving.port)))
                for _ in range(200)
            ]
            trips = [round_trip_s(minion) for _ in range(50)]
            with honest(serving, context) as late:
                trips.append(round_trip_s(late))
            assert max(trips) < 1
            assert until(lambda: len(gone(serving)) >= len(silent), 10)
        assert serving.failures().count("handshake_timeout") >= 190


@pytest.mark.covers("E15")
def test_a_storm_of_refused_logins_leaves_the_port_working(context: Context) -> None:
    admitted: set[bytes] = set()
    with served(lambda key, address: key in admitted) as serving:
        good = make_keypair()
        admitted.add(good[0])
        for _ in range(200):
            bad = caller(context, serving.port, serving.listening.public_key)
            assert until(partial(bad.has, "denied"), 10), bad.events
            bad.socket.close()
        minion = caller(context, serving.port, serving.listening.public_key, keypair=good)
        assert until(partial(minion.has, "ready"), 10)
        assert round_trip_s(minion) < 1
        minion.socket.close()
        assert until(lambda: serving.failures().count("denied") == 200, 5)
