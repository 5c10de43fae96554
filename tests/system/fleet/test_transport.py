"""The sockets on real TCP: what a minion and a master are told when all goes well, and when not."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest
import zmq

from limpet.common.errors import PeerError, Stalled, UsageError
from limpet.common.transport.events import Accepted, Disconnected, HandshakeFailed
from limpet.common.transport.raw import RawSocket
from limpet.common.transport.sockets import (
    Authenticator,
    Context,
    DealerSocket,
    FrameTooLarge,
    PeerFull,
    PeerGone,
    Poller,
    RouterSocket,
    check_library,
    make_keypair,
    public_key_of,
)
from support.hostile.links import DOMAIN, Listener, admit_all, caller, connected, listener
from support.hostile.proxies import BlackHole, Relay


@pytest.fixture
def context() -> Iterator[Context]:
    """The context of the minions of a test."""
    made = Context()
    yield made
    assert made.close()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def turn_in_background(listening: Listener, stop: threading.Event) -> threading.Thread:
    def turn() -> None:
        while not stop.is_set():
            listening.turn()

    thread = threading.Thread(target=turn)
    thread.start()
    return thread


def test_frames_go_both_ways_and_name_the_key(context: Context) -> None:
    with listener() as listening, connected(listening, context) as minion:
        assert minion.socket.send(b"hello")
        assert listening.turn_until(lambda: listening.arrivals)
        arrival = listening.arrivals[0]
        listening.router.send(arrival.peer, b"welcome")

        assert minion.socket.receive(5, "an answer") == b"welcome"
        assert minion.events == ["connected", "ready"]
        assert (arrival.key, arrival.address, arrival.frame) == (minion.key, "127.0.0.1", b"hello")
        assert listening.events == [Accepted(arrival.fd, "127.0.0.1")]


def test_a_router_can_simply_be_waited_on(context: Context) -> None:
    with listener() as listening:
        minion = caller(context, listening.port, listening.public_key)
        sender = threading.Thread(target=lambda: send_when_ready(minion.socket, b"hello"))
        sender.start()

        arrival = listening.router.receive(5, "a greeting")

        sender.join()
        minion.socket.close()
        assert arrival.frame == b"hello"


def send_when_ready(sending: DealerSocket, frame: bytes) -> None:
    deadline = time.monotonic() + 5
    while not sending.send(frame) and time.monotonic() < deadline:
        time.sleep(0.01)


def test_a_wait_ends_at_its_deadline_and_says_what_for(context: Context) -> None:
    with listener() as listening, connected(listening, context) as minion:
        for waiting in (minion.socket, listening.router):
            started = time.monotonic()
            with pytest.raises(Stalled, match=r"waited 0.2 s for a sign of life"):
                waiting.receive(0.2, "a sign of life")
            assert 0.19 <= time.monotonic() - started < 2
            with pytest.raises(Stalled):
                waiting.receive(0, "nothing")
            assert waiting.receive_ready() is None


@pytest.mark.covers("B5", "A14")
def test_both_families_can_be_listened_on_at_one_port(context: Context) -> None:
    with listener(addresses=("127.0.0.1", "::1")) as listening:
        for address in ("127.0.0.1", "::1"):
            minion = caller(context, listening.port, listening.public_key, address=address)
            assert listening.turn_until(partial(minion.has, "ready")), minion.events
            minion.socket.send(b"from " + address.encode())
            assert listening.turn_until(lambda: listening.arrivals)
            assert listening.arrivals.pop().address == address
            minion.socket.close()


def test_the_wildcard_of_ipv6_serves_ipv4_and_tells_its_address_plainly(context: Context) -> None:
    with (
        listener(addresses=("0.0.0.0", "::")) as listening,
        connected(listening, context) as minion,
    ):
        minion.socket.send(b"hello")
        assert listening.turn_until(lambda: listening.arrivals)
        assert listening.arrivals[0].address == "127.0.0.1"
        assert listening.events[0] == Accepted(listening.arrivals[0].fd, "127.0.0.1")
        assert listening.router.shut_peer(listening.arrivals[0].peer)


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        own = Context(burn=True)
        authenticator = Authenticator(own, {DOMAIN: admit_all})
        router = make_router(own)
        with pytest.raises(UsageError, match=rf"port {port} on 127.0.0.1 is in use"):
            router.bind(["127.0.0.1"], port)
        with pytest.raises(UsageError, match="no such address"):
            router.bind(["192.0.2.1"], port)
        with pytest.raises(UsageError, match="'localhost' is not a numeric address"):
            router.bind(["localhost"], port)
        with pytest.raises(UsageError, match="no address"):
            router.bind([], port)
        router.close()
        authenticator.close()
        assert own.close()


@pytest.mark.covers("C12")
def test_of_two_addresses_none_stays_open_alone_so_that_both_can_be_had_later() -> None:
    own = Context(burn=True)
    authenticator = Authenticator(own, {DOMAIN: admit_all})
    router = make_router(own)
    with socket.create_server(("127.0.0.2", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=rf"port {port} on 127.0.0.2 is in use"):
            router.bind(["127.0.0.1", "127.0.0.2"], port)

    def is_bound() -> bool:
        with contextlib.suppress(UsageError):  # libzmq lets go of a port in its own time
            return bool(router.bind(["127.0.0.1", "127.0.0.2"], port) == port)
        return False

    assert until(is_bound, 5)
    router.close()
    authenticator.close()
    assert own.close()


def make_router(own: Context, domain: str = DOMAIN) -> RouterSocket:
    return RouterSocket(
        own,
        secret_key=make_keypair()[1],
        domain=domain,
        frame_bytes_max=1024,
        backlog=16,
        high_water=8,
        handshake_s=3,
    )


@pytest.mark.covers("A21", "A20")
def test_without_an_authenticator_the_port_stays_closed() -> None:
    own = Context(burn=True)
    router = make_router(own)
    with pytest.raises(UsageError, match="nothing checks the keys"):
        router.bind(["127.0.0.1"], 0)

    authenticator = Authenticator(own, {"other": admit_all})
    with pytest.raises(UsageError, match="nothing checks the keys of domain 'main'"):
        router.bind(["127.0.0.1"], 0)

    authenticator.close()
    with pytest.raises(UsageError, match="nothing checks the keys"):
        router.bind(["127.0.0.1"], 0)
    router.close()
    assert own.close()


@pytest.mark.covers("A21", "A20")
def test_an_authenticator_that_went_away_lets_nobody_in(context: Context) -> None:
    with listener(handshake_s=0.5) as listening:
        listening.authenticator.close()
        minion = caller(context, listening.port, listening.public_key, handshake_s=0.5)
        deadline = time.monotonic() + 1.5
        while time.monotonic() < deadline:
            assert not minion.socket.send(b"let me in")
            assert listening.router.receive_ready() is None
            time.sleep(0.02)

        assert not minion.has("ready")
        assert "handshake_failed" in minion.events or "denied" in minion.events
        minion.socket.close()


@pytest.mark.covers("A2", "E15")
def test_a_key_that_is_turned_away_hears_so_at_once_and_a_new_socket_gets_in_later(
    context: Context,
) -> None:
    admitted: set[bytes] = set()
    with listener(lambda key, address: key in admitted) as listening:
        keypair = make_keypair()
        first = caller(context, listening.port, listening.public_key, keypair=keypair)
        started = time.monotonic()
        assert listening.turn_until(lambda: first.has("denied"))
        assert time.monotonic() - started < 2.5, "not at the end of the handshake's time"
        assert first.events == ["connected", "denied"]
        assert not first.socket.send(b"anyway")
        first.socket.close()
        refusals = listening.authenticator.refusals()
        assert [(r.reason, r.address, r.count) for r in refusals] == [
            ("unknown_key", "127.0.0.1", 1)
        ]
        assert listening.turn_until(
            lambda: any(
                isinstance(e, HandshakeFailed) and e.reason == "denied" for e in listening.events
            )
        )

        admitted.add(keypair[0])
        second = caller(context, listening.port, listening.public_key, keypair=keypair)
        assert listening.turn_until(lambda: second.has("ready"))
        second.socket.close()


@pytest.mark.covers("A3")
@pytest.mark.parametrize("status", [b"300", None], ids=["300", "silence"])
def test_a_handler_that_hangs_costs_the_time_of_a_handshake_and_no_more(
    context: Context, status: bytes | None
) -> None:
    """The handler of a master gone wrong is played by hand: it says 300, or nothing at all."""
    raw = zmq.Context()
    handler = raw.socket(zmq.ROUTER)
    handler.bind("inproc://zeromq.zap.01")
    secret = make_keypair()[1]
    server = raw.socket(zmq.ROUTER)
    server.setsockopt(zmq.CURVE_SERVER, 1)
    server.setsockopt(zmq.CURVE_SECRETKEY, secret)
    server.setsockopt_string(zmq.ZAP_DOMAIN, "main")
    port = server.bind_to_random_port("tcp://127.0.0.1")
    started = time.monotonic()
    minion = caller(context, port, public_key_of(secret), handshake_s=0.5)
    try:
        while not minion.has("handshake_failed"):
            assert time.monotonic() - started < 5, minion.events
            if handler.poll(20) and status is not None:
                request = handler.recv_multipart()
                handler.send_multipart([*request[:4], status, b"later", b"", b""])
        assert time.monotonic() - started >= 0.4
        assert minion.events == ["connected", "handshake_failed"]
    finally:
        minion.socket.close()
        raw.destroy(0)


@pytest.mark.covers("A4")
def test_a_port_that_does_not_speak_curve_is_a_failed_handshake(context: Context) -> None:
    raw = zmq.Context()
    server = raw.socket(zmq.ROUTER)
    port = server.bind_to_random_port("tcp://127.0.0.1")
    minion = caller(context, port, make_keypair()[0])
    try:
        assert until(lambda: minion.has("handshake_failed"), 5)
        assert minion.events == ["connected", "handshake_failed"]
    finally:
        minion.socket.close()
        raw.destroy(0)


def until(is_done: Callable[[], object], within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while not is_done():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.mark.covers("A5")
def test_a_wrong_key_of_the_master_is_a_failed_handshake_and_not_a_refusal(
    context: Context,
) -> None:
    with listener() as listening:
        minion = caller(context, listening.port, make_keypair()[0])
        assert listening.turn_until(lambda: minion.has("handshake_failed"))
        assert minion.events == ["connected", "handshake_failed"]

        time.sleep(0.5)
        listening.turn()
        accepted = [e for e in listening.events if isinstance(e, Accepted)]
        assert len(accepted) == 1, "the socket never tries again by itself"
        minion.socket.close()


@pytest.mark.covers("B17", "A1")
def test_a_port_that_never_speaks_ends_with_the_time_of_a_handshake(context: Context) -> None:
    with BlackHole() as silent:
        started = time.monotonic()
        minion = caller(context, silent.port, make_keypair()[0], handshake_s=0.5)
        assert until(lambda: minion.has("handshake_failed"), 5)
        assert 0.4 <= time.monotonic() - started < 2.5
        assert minion.events == ["connected", "handshake_failed"]
        minion.socket.close()


def test_a_port_where_nobody_listens_is_refused_at_once(context: Context) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    minion = caller(context, port, make_keypair()[0])
    started = time.monotonic()
    assert until(lambda: minion.has("refused"), 5)
    assert time.monotonic() - started < 1
    assert minion.events == ["refused"]
    minion.socket.close()


@pytest.mark.covers("B16", "C1")
def test_the_end_of_the_listener_is_told_and_nothing_is_sent_into_the_void(
    context: Context,
) -> None:
    with listener() as listening, connected(listening, context) as minion:
        listening.router.close()
        listening.authenticator.close()
        assert until(lambda: minion.has("disconnected"), 5)
        assert minion.events == ["connected", "ready", "disconnected"]
        assert not minion.socket.send(b"hello?")


def test_a_connection_cut_on_its_way_is_told_on_both_ends(context: Context) -> None:
    with listener() as listening, Relay(listening.port) as relay:
        minion = caller(context, relay.port, listening.public_key)
        assert listening.turn_until(lambda: minion.has("ready"))
        minion.socket.send(b"hello")
        assert listening.turn_until(lambda: listening.arrivals)
        arrival = listening.arrivals[0]

        relay.cut()

        assert until(lambda: minion.has("disconnected"), 5)
        gone = Disconnected(arrival.fd, "127.0.0.1", arrival.peer, arrival.key)
        assert listening.turn_until(lambda: gone in listening.events)
        # The end is told a moment before libzmq lets go of the connection.
        assert until(partial(is_gone, listening, arrival.peer), 5)
        minion.socket.close()


def is_gone(listening: Listener, peer: bytes) -> bool:
    try:
        listening.router.send(peer, b"are you there?")
    except PeerGone:
        return True
    return False


@pytest.mark.covers("H4", "B-3")
def test_one_connection_is_cut_and_its_neighbour_feels_nothing(context: Context) -> None:
    with (
        listener() as listening,
        connected(listening, context) as first,
        connected(listening, context) as second,
    ):
        first.socket.send(b"one")
        second.socket.send(b"two")
        assert listening.turn_until(lambda: len(listening.arrivals) == 2)
        of = {arrival.key: arrival for arrival in listening.arrivals}

        started = time.monotonic()
        assert listening.router.shut_peer(of[first.key].peer)
        assert until(lambda: first.has("disconnected"), 5)
        assert time.monotonic() - started < 1

        with pytest.raises(PeerGone):
            listening.turn()
            deadline = time.monotonic() + 5
            while time.monotonic() < deadline:
                listening.router.send(of[first.key].peer, b"x")
        listening.router.send(of[second.key].peer, b"still here")
        assert second.socket.receive(5, "an answer") == b"still here"
        assert not second.has("disconnected")
        assert not listening.router.shut_peer(b"\0none")


def test_a_cut_that_means_another_connection_is_not_made(context: Context) -> None:
    with listener() as listening, connected(listening, context) as minion:
        minion.socket.send(b"hello")
        assert listening.turn_until(lambda: listening.arrivals)
        arrival = listening.arrivals[0]

        assert not listening.router.shut(arrival.fd, b"\0abcd")
        assert not listening.router.shut(1_000_000)
        with open(os.devnull) as other:
            assert not listening.router.shut(other.fileno())
        assert not listening.router.shut_peer(b"\0abcd")
        listening.router.send(arrival.peer, b"alive")
        assert minion.socket.receive(5, "an answer") == b"alive"

        assert listening.router.shut(arrival.fd, arrival.peer)
        assert until(lambda: minion.has("disconnected"), 5)


@pytest.mark.covers("B-16", "E7", "E18", "E5")
def test_a_peer_that_does_not_read_is_full_and_delays_nobody(context: Context) -> None:
    with (
        listener(high_water=8) as listening,
        connected(listening, context) as lazy,
        connected(listening, context) as eager,
    ):
        lazy.socket.send(b"lazy")
        eager.socket.send(b"eager")
        assert listening.turn_until(lambda: len(listening.arrivals) == 2)
        of = {arrival.frame: arrival.peer for arrival in listening.arrivals}

        frame, worst_s, sent = bytes(100_000), 0.0, 0
        with pytest.raises(PeerFull):
            while sent < 5_000:
                started = time.monotonic()
                try:
                    listening.router.send(of[b"lazy"], frame)
                finally:
                    worst_s = max(worst_s, time.monotonic() - started)
                sent += 1
        assert 8 <= sent < 2_000
        assert worst_s < 0.5
        with pytest.raises(PeerFull):
            listening.router.send(of[b"lazy"], b"small")

        listening.router.send(of[b"eager"], b"prompt")
        assert eager.socket.receive(5, "an answer") == b"prompt"


def test_a_frame_over_the_receivers_limit_is_refused_by_its_sender(context: Context) -> None:
    with listener() as listening:
        public_key, secret_key = make_keypair()
        minion = DealerSocket(
            context,
            address="127.0.0.1",
            port=listening.port,
            server_key=listening.public_key,
            public_key=public_key,
            secret_key=secret_key,
            frame_bytes_max=1024,
            handshake_s=3,
            send_bytes_max=1024,
        )
        with pytest.raises(FrameTooLarge, match="1025 bytes"):
            minion.send(bytes(1025))
        minion.close()


def test_nothing_is_queued_for_a_connection_that_does_not_stand(context: Context) -> None:
    with BlackHole() as silent:
        minion = caller(context, silent.port, make_keypair()[0])
        assert not minion.socket.send(b"too early")
        minion.socket.close()


@pytest.mark.covers("G7", "B-6")
def test_a_minion_refuses_a_message_of_several_parts(context: Context) -> None:
    with listener() as listening, connected(listening, context) as minion:
        minion.socket.send(b"hello")
        assert listening.turn_until(lambda: listening.arrivals)
        raw = listening.router.handles()[0]
        raw.send_parts((listening.arrivals[0].peer, *[b""] * 5_000))
        listening.router.send(listening.arrivals[0].peer, b"after")

        with pytest.raises(PeerError) as caught:
            minion.socket.receive(5, "anything")
        assert caught.value.reason == "parts"
        assert minion.socket.receive(5, "what came after") == b"after"


@pytest.mark.covers("I8")
def test_a_poll_wakes_for_frames_events_and_descriptors(context: Context) -> None:
    reading, writing = os.pipe()
    with (
        open(reading, "rb", buffering=0) as pipe,
        open(writing, "wb", buffering=0) as other_end,
        listener() as listening,
        connected(listening, context) as minion,
    ):
        poller = Poller()
        poller.register(minion.socket)
        poller.register(pipe)
        listening.turn()
        assert poller.wait(0.05) == set()

        other_end.write(b"x")
        assert poller.wait(5) == {pipe}
        pipe.read(1)

        minion.socket.send(b"hello")
        assert listening.turn_until(lambda: listening.arrivals)
        for number in range(3):
            listening.router.send(listening.arrivals[0].peer, str(number).encode())
        # Readiness stays until all is read: nothing is lost by reading one frame a turn.
        for number in range(3):
            assert poller.wait(5) == {minion.socket}
            assert minion.socket.receive_ready() == str(number).encode()
        assert poller.wait(0.05) == set()

        listening.router.shut_peer(listening.arrivals[0].peer)
        assert poller.wait(5) == {minion.socket}
        assert "disconnected" in minion.socket.events()

        poller.unregister(minion.socket)
        other_end.write(b"x")
        assert poller.wait(5) == {pipe}


def test_a_poll_of_nothing_waits_its_time() -> None:
    started = time.monotonic()
    assert Poller().wait(0.1) == set()
    assert 0.09 <= time.monotonic() - started < 2


@pytest.mark.covers("I8")
def test_no_poll_sleeps_over_a_frame_that_came_while_another_was_sent(context: Context) -> None:
    """A send takes in what libzmq's threads have to tell, so that no descriptor tells it again."""
    with listener() as listening, connected(listening, context) as minion:
        minion.socket.send(b"hello")
        assert listening.turn_until(lambda: listening.arrivals)
        peer = listening.arrivals[0].peer
        poller, other = Poller(), Poller()
        poller.register(listening.router)
        other.register(minion.socket)
        for _ in range(100):
            assert poller.wait(0) == other.wait(0) == set()  # both are known to be empty

            minion.socket.send(b"question")
            listening.router.send(peer, b"answer")
            time.sleep(0.003)  # both have come
            minion.socket.send(b"thanks")
            listening.router.send(peer, b"welcome")

            assert poller.wait(5) == {listening.router}
            assert other.wait(5) == {minion.socket}
            for _ in range(2):
                assert listening.router.receive(5, "a frame").frame in (b"question", b"thanks")
                assert minion.socket.receive(5, "a frame") in (b"answer", b"welcome")
            assert listening.router.receive_ready() is None
            assert minion.socket.receive_ready() is None


@pytest.mark.covers("B4")
def test_every_option_is_what_it_should_be_on_both_ends(context: Context) -> None:
    both = {
        "LINGER": 0,
        "RCVTIMEO": 0,
        "SNDTIMEO": 0,
        "HANDSHAKE_IVL": 3000,
        "HEARTBEAT_IVL": 0,
        "RCVHWM": 100,
        "SNDHWM": 100,
        "TCP_KEEPALIVE": 1,
        "TCP_KEEPALIVE_IDLE": 15,
        "TCP_KEEPALIVE_CNT": 3,
        "TCP_KEEPALIVE_INTVL": 5,
        "TCP_MAXRT": 15000,
        "SNDBUF": 131072,
        "MECHANISM": zmq.CURVE,
    }
    listening_end = both | {
        "CURVE_SERVER": 1,
        "ZAP_DOMAIN": b"main",
        "ZAP_ENFORCE_DOMAIN": 1,
        "BACKLOG": 1024,
        "MAXMSGSIZE": 256 * 1024 + 33,
    }
    connecting_end = both | {
        "CURVE_SERVER": 0,
        "IMMEDIATE": 1,
        "CONNECT_TIMEOUT": 3000,
        "RECONNECT_IVL": 3_600_000,
        "RECONNECT_IVL_MAX": 0,
        "MAXMSGSIZE": 1024 * 1024 + 33,
        "IPV6": 0,
    }
    with listener() as listening, connected(listening, context) as minion:
        assert read_back(listening.router.handles()[0], listening_end) == listening_end
        assert read_back(minion.socket.handles()[0], connecting_end) == connecting_end
    with listener(small_buffers=True, high_water=8, frame_bytes_max=1024) as enrolment:
        small: dict[str, object] = {
            "SNDBUF": 8192,
            "RCVBUF": 8192,
            "RCVHWM": 8,
            "SNDHWM": 8,
            "MAXMSGSIZE": 1057,
        }
        assert read_back(enrolment.router.handles()[0], small) == small


def read_back(raw: RawSocket, names: Mapping[str, object]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name in names:
        value = raw.handle.get(getattr(zmq, name))
        found[name] = value.rstrip(b"\0") if isinstance(value, bytes) else value
    return found


@pytest.mark.covers("B4")
def test_the_options_reach_the_kernel(context: Context) -> None:
    with listener() as listening, connected(listening, context) as minion:
        minion.socket.send(b"hello")
        assert listening.turn_until(lambda: listening.arrivals)
        with socket.socket(fileno=os.dup(listening.arrivals[0].fd)) as connection:
            tcp = socket.IPPROTO_TCP
            assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert connection.getsockopt(tcp, socket.TCP_KEEPIDLE) == 15
            assert connection.getsockopt(tcp, socket.TCP_KEEPCNT) == 3
            assert connection.getsockopt(tcp, socket.TCP_KEEPINTVL) == 5
            assert connection.getsockopt(tcp, socket.TCP_USER_TIMEOUT) == 15_000
            assert connection.getsockopt(tcp, socket.TCP_NODELAY) == 1


@pytest.mark.slow
@pytest.mark.covers("I5", "I6", "I9", "H3")
def test_two_thousand_reconnects_leave_no_descriptor_behind(context: Context) -> None:
    stop = threading.Event()
    with listener() as listening:
        thread = turn_in_background(listening, stop)
        try:
            keypair = make_keypair()
            before = 0
            for number in range(2_000):
                minion = caller(context, listening.port, listening.public_key, keypair=keypair)
                # Every tenth gets as far as a frame; the others are thrown away on their way.
                if number % 10 == 0:
                    assert until(partial(minion.has, "ready"), 10), minion.events
                    assert minion.socket.send(b"hello")
                minion.socket.close()
                if number == 200:
                    before = descriptors()
            assert until(lambda: descriptors() <= before + 5, 10), (before, descriptors())
        finally:
            stop.set()
            thread.join()


@pytest.mark.covers("I7", "I6")
def test_a_context_ends_soon_whatever_its_sockets_were_doing() -> None:
    own = Context()
    with BlackHole() as silent, socket.create_server(("127.0.0.1", 0)) as closed:
        refused_port = closed.getsockname()[1]
        closed.close()
        left = [caller(own, port, make_keypair()[0]) for port in (silent.port, refused_port) * 5]
        for minion in left:
            minion.socket.send(b"never to be read")
        started = time.monotonic()
        assert own.close()
        assert time.monotonic() - started < 2
        assert own.close(), "a second time is harmless"


def test_sockets_may_be_closed_twice(context: Context) -> None:
    with listener() as listening, connected(listening, context) as minion:
        minion.socket.close()
        minion.socket.close()
        listening.router.close()
        listening.router.close()
        listening.authenticator.close()


def test_a_secret_key_has_one_public_key() -> None:
    public_key, secret_key = make_keypair()

    assert (len(public_key), len(secret_key)) == (32, 32)
    assert public_key_of(secret_key) == public_key
    assert make_keypair() != (public_key, secret_key)


@pytest.mark.covers("B19", "G10")
def test_this_library_will_do_and_an_old_one_will_not() -> None:
    check_library()
    with pytest.raises(UsageError, match=r"4\.3\.4 is too old"):
        check_library(version=(4, 3, 4))
    with pytest.raises(UsageError, match="CURVE"):
        check_library(has_curve=False)


START = """
import sys
sys.path.insert(0, sys.argv[1])
from support.hostile.links import caller, connected, listener
from limpet.common.transport.sockets import Context
context = Context()
with listener() as listening, connected(listening, context) as minion:
    minion.socket.send(b"x")
    listening.turn_until(lambda: listening.arrivals)
    print(listening.arrivals[0].peer.hex())
context.close()
"""


def test_twenty_processes_name_their_connections_differently() -> None:
    tests = Path(__file__).parents[2]
    names = [
        subprocess.run(
            [sys.executable, "-c", START, str(tests)],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        ).stdout.strip()
        for _ in range(20)
    ]

    assert all(len(name) == 10 for name in names)
    assert len(set(names)) == 20
    # Not only other numbers, but numbers all over the place.
    assert len({name[2:4] for name in names}) > 8
