"""Peers that break every rule, with and without an accepted key, while honest minions are pinged.

In each test: no ping is lost, no process ends, and the master's counters show what it turned away.
"""

import hashlib
import os
import random
import resource
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest
from conftest import Tell

from limpet.common.crypto.keys import decode_key
from limpet.common.messages.jobs import BulkAck, BulkChunk, BulkOffer, Deliver, Output, Return
from limpet.common.messages.session import Beat, Denied, Hello, MasterBeat
from limpet.common.transport.sockets import Context, make_keypair
from limpet.common.wire.codec import encode
from support.fakes.hand_minion import HandMinion, receive_within, wait_ready
from support.hostile.attack import (
    Pings,
    accepted,
    count_grows,
    key_pair_of,
    memory_mb,
    mutations,
    rejected,
    send_all,
    send_to_enrolment,
)
from support.hostile.chaos import ROUNDS, client_of
from support.hostile.hostile import GREETING_CURVE, HostilePeer, plug_from
from support.master.fleet import Fleet, wait_until
from support.master.recovery import IS_LONG, recovery
from support.pages import curve

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("hostile"),
    pytest.mark.timeout(120 + 60 * ROUNDS),
]
HONEST = 3
REST = ("", "", 0, "", 1)
"""The last fields of a Hello, which say nothing."""
MEMORY_MB_MAX = 20.0


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with Fleet(tmp_path_factory.mktemp("hostile"), minions=HONEST) as fleet:
        yield fleet


@pytest.fixture(scope="module")
def context() -> Iterator[Context]:
    context = Context()
    yield context
    context.close()


@pytest.fixture(autouse=True)
def _no_process_ends(fleet: Fleet) -> Iterator[None]:
    recovery(fleet).check(30.0)
    pids = [node.pid for node in (fleet.master, fleet.minions["web2"], fleet.minions["web3"])]
    yield
    nodes = (fleet.master, fleet.minions["web2"], fleet.minions["web3"])
    assert [node.pid for node in nodes] == pids, "web1 may be restarted by a test"
    assert all(node.is_running for node in (fleet.master, *fleet.minions.values()))


def pings(fleet: Fleet) -> Pings:
    return Pings(fleet, "web*", HONEST)


def server_key(fleet: Fleet) -> bytes:
    return decode_key(next(fleet.master.root.rglob("master.public")).read_bytes())


def restarts_of_enrolment(fleet: Fleet) -> float:
    with client_of(fleet) as client:
        return dict(client.status().figures)["enrol_starts"]


@pytest.mark.covers("G2", "G12", "H10", "B-5", "B-18", "B-19", "B-22", "B-25", "B-29")
def test_random_and_mutated_frames_on_both_ports_cost_no_ping_and_no_memory(
    fleet: Fleet, context: Context, tell: Tell
) -> None:
    chance = random.Random(9)
    garbage = [chance.randbytes(chance.choice((1, 2, 10, 100, 1000))) for _ in range(1000)]
    with accepted(fleet, context, "evil") as evil:
        evil.greet()
        mutated = (mutations(chance, evil.session) * 4)[: 1000 * ROUNDS]
        send_all(evil, fleet.port, mutated[:50])  # what is loaded at its first use, is loaded now
        starts = restarts_of_enrolment(fleet)
        before_mb, before = memory_mb(fleet), rejected(fleet)
        with pings(fleet) as seen:
            sent = send_all(evil, fleet.port, garbage + mutated)
            strange = send_to_enrolment(
                lambda: HandMinion(context, fleet.master.root),
                fleet.enrol_port,
                [frame[:900] for frame in garbage],
            )
            time.sleep(1.0)
        after_mb, after = memory_mb(fleet), rejected(fleet)

    turned_away = {k: n - before.get(k, 0) for k, n in after.items() if n != before.get(k, 0)}
    tell(
        f"{sent} frames of an accepted key, {strange} on the enrolment port: {seen}; memory of the "
        f"master {after_mb - before_mb:+.1f} MB; turned away {turned_away}"
    )
    seen.check()
    assert after_mb - before_mb < MEMORY_MB_MAX
    assert strange > 900
    assert sum(turned_away.values()) > 1500
    assert restarts_of_enrolment(fleet) == starts


@pytest.mark.covers("C7", "G8", "A22", "B-9", "B-10")
def test_a_thousand_idle_half_and_foreign_connections_delay_nobody(
    fleet: Fleet, tell: Tell
) -> None:
    ports = (fleet.port, fleet.enrol_port)
    before_mb = memory_mb(fleet)
    greetings = [
        b"GET / HTTP/1.1\r\nHost: master\r\n\r\n",
        tls_hello(),
        os.urandom(2000),
        GREETING_CURVE[:20],
        GREETING_CURVE,
    ]
    with ExitStack() as held, pings(fleet) as seen:
        held.enter_context(descriptors(2_000))
        for port in ports:
            for index in range(500):
                plug = held.enter_context(plug_from("127.0.0.1", port, within_s=5.0))
                if index % 2:  # the other half says nothing at all
                    with suppress(OSError):  # over the limit: cut already
                        plug.sendall(greetings[index // 2 % len(greetings)])
        for _ in range(30):
            for port in ports:
                peer = held.enter_context(HostilePeer(port))
                peer.send(GREETING_CURVE)
        fleet.minions["web1"].kill_tree()
        fleet.minions["web1"].start()
        found = recovery(fleet)
        time.sleep(3.0)

    tell(
        f"1,060 hostile connections: {seen}; a minion restarted among them: {found}; "
        f"memory {memory_mb(fleet) - before_mb:+.1f} MB"
    )
    assert seen.lost <= 3, "only those of the restarted minion"
    assert seen.slowest_s < 6.0
    found.check(15.0)


@contextmanager
def descriptors(number: int) -> Iterator[None]:
    """Let this process open so many files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, number), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def tls_hello() -> bytes:
    """Give the first bytes of a TLS client."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).wrap_bio(
        incoming, outgoing, server_hostname="master"
    )
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


@pytest.mark.covers("B-7", "G6")
@pytest.mark.parametrize("is_enrolling", [False, True])
def test_a_message_that_never_ends_is_cut_on_either_port(
    fleet: Fleet, context: Context, is_enrolling: bool, tell: Tell
) -> None:
    before_mb, before = memory_mb(fleet), rejected(fleet)
    port, size = (fleet.enrol_port, 900) if is_enrolling else (fleet.port, 60_000)
    with accepted(fleet, context, "evil") as evil, pings(fleet) as seen:
        keypair = curve.make_keypair() if is_enrolling else (evil.public, evil.secret)
        evil.close()
        # Once it is cut, its own TCP may leave it waiting, with nothing that it can still do.
        with HostilePeer(port, within_s=1.0) as peer:
            peer.log_in(server_key(fleet), keypair)
            assert peer.read_frame().startswith(b"\5READY")
            part = os.urandom(size)
            sent, began = 0, time.monotonic()
            with pytest.raises(OSError):
                while time.monotonic() - began < 10:
                    peer.send(peer.message(part, more=True))
                    sent += size
            cut_s = time.monotonic() - began
        time.sleep(0.5)
    grown_mb = memory_mb(fleet) - before_mb
    tell(
        f"endless parts on {'the enrolment' if is_enrolling else 'the main'} port: cut after "
        f"{cut_s:.2f} s and {sent / 2**20:.1f} MB; {seen}; memory {grown_mb:+.1f} MB"
    )
    assert cut_s < 5
    seen.check()
    assert grown_mb < 256
    count_grows(fleet, "enrol." * is_enrolling + "unfinished_message", before)


@pytest.mark.covers("B-15")
def test_an_accepted_flooder_harms_nobody(fleet: Fleet, context: Context, tell: Tell) -> None:
    flood_s = 30.0 if IS_LONG else 3.0
    before = rejected(fleet)
    with accepted(fleet, context, "evil") as evil, pings(fleet) as seen:
        evil.greet()
        jid = "01" + "0" * 24
        hello = Hello(1, 1, "0.1.0", evil.boot_id, 2**52, os.urandom(16), evil.journal_id, *REST)
        frames = [
            encode(hello),
            encode(Beat(evil.session, 1, 0, (), "")),
            encode(Output(evil.session, jid, 0, b"x" * 1000, 0)),
        ]
        sent, deadline = 0, time.monotonic() + flood_s
        while time.monotonic() < deadline:
            assert evil.main is not None
            for frame in frames:
                sent += evil.main.send(frame)
            if sent % 300 == 0 and "disconnected" in evil.main.events():
                evil.connect(fleet.port)
        with pings(fleet) as after:
            time.sleep(1.0)
    turned_away = rejected(fleet)
    tell(
        f"{sent / flood_s:.0f} frames a second of one key for {flood_s:g} s: {seen}; "
        f"over its rate {turned_away.get('rate', 0) - before.get('rate', 0)}"
    )
    assert sent > 1000
    assert (seen.lost, after.lost) == (0, 0)
    assert turned_away.get("rate", 0) > before.get("rate", 0)


@pytest.mark.covers("G9", "H9")
def test_a_return_for_anothers_job_and_a_replayed_session_change_nothing(
    fleet: Fleet, context: Context, tell: Tell
) -> None:
    before = rejected(fleet)
    with accepted(fleet, context, "evil") as evil, client_of(fleet) as client:
        evil.greet()
        theirs = client.submit("web1", "cmd.run", "sleep 2; echo true")
        evil.return_ok(theirs.jid, b"\xa5false")
        count_grows(fleet, "not_my_job", before)

        own = client.submit("evil", "test.echo", "x")
        assert evil.hear(Deliver).jid == own.jid
        recorded = [
            encode(Beat(evil.session, 1, 0, (), "")),
            encode(Return(evil.session, own.jid, "ok", 0, "", 1, 1, b"\xa5first", "", 0, False)),
        ]
        assert evil.main is not None
        assert evil.main.send(recorded[1])
        assert client.wait(own.jid, timeout_s=10).minions["evil"].value == "first"
        evil.connect(fleet.port)
        evil.greet()
        other = Return(evil.session, own.jid, "failed", 1, "", 1, 1, b"\xa5other", "", 0, False)
        for frame in (*recorded, *recorded, encode(other)):
            assert evil.main.send(frame)
        count_grows(fleet, "late_return", before)

        assert client.show(own.jid).minions["evil"].value == "first"
        answer = client.wait(theirs.jid, timeout_s=20).minions["web1"]
        assert (answer.status, answer.value) == ("ok", "true")
    tell("a return for another's job, and a replayed session: nothing changed, each was counted")


@pytest.mark.covers("B-3", "H4", "A2")
def test_after_keys_reject_nothing_of_the_session_is_obeyed_and_accept_needs_nobody(
    fleet: Fleet, context: Context, tell: Tell
) -> None:
    with accepted(fleet, context, "evil") as evil, client_of(fleet) as client:
        evil.greet()
        job = client.submit("evil", "test.echo", "x", ttl_s=60.0)
        evil.hear(Deliver)
        began = time.monotonic()
        client.reject_keys("evil", "web2")
        assert evil.is_cut(1.0)
        cut_s = time.monotonic() - began
        wait_until("web2 is not in the list", lambda: "web2" not in fleet.states(), 5.0)
        time.sleep(3.0 if not IS_LONG else 60.0)
        assert client.show(job.jid).minions["evil"].status == "lost"
        refused = evil.dial(fleet.port)
        assert not wait_ready(refused, 3.0)
        refused.close()

        client.accept_keys("web2")
        found = recovery(fleet, names={"web1", "web2", "web3"})

    tell(f"rejected: cut after {cut_s:.2f} s; accepted again: {found}")
    assert cut_s < 1.0
    found.check(30.0)


@pytest.mark.covers("B-4", "H9")
def test_a_key_on_the_wrong_port_gets_no_further(
    fleet: Fleet, context: Context, tell: Tell
) -> None:
    before = rejected(fleet)
    unknown = HandMinion(context, fleet.master.root, "stranger")
    asking = unknown.dial(fleet.port)
    assert not wait_ready(asking, 3.0)
    asking.close()
    count_grows(fleet, "unknown_key", before)
    with accepted(fleet, context, "evil") as evil:
        assert evil.enrol(fleet.enrol_port).status == "accepted"
        evil.greet()
    tell("an unknown key on the main port is denied, an accepted key on the other is told so")


@pytest.mark.covers("B-13", "H1")
def test_a_peer_that_names_its_connection_is_shut_and_nobody_else_notices(
    fleet: Fleet, context: Context, tell: Tell
) -> None:
    before = rejected(fleet)
    with accepted(fleet, context, "evil") as evil, pings(fleet) as seen:
        evil.close()
        for name in (b"web1", b"x" * 255, b"\n\0"):
            with HostilePeer(fleet.port) as peer:
                claims = {"Identity": name}
                peer.log_in(server_key(fleet), (evil.public, evil.secret), claims)
                if not peer.read_frame().startswith(b"\5READY"):
                    continue  # its key is kept out since the first time
                peer.send(peer.message(b"anything"))
                assert peer.wait_for_end(3) is not None
        time.sleep(0.5)
    count_grows(fleet, "routing_id_set", before)
    tell(f"a peer that chose its name: shut at its first message; {seen}")
    seen.check()


@pytest.mark.covers("B-14", "H2")
def test_a_second_host_with_a_minions_key_is_turned_away_and_the_first_stays(
    fleet: Fleet, context: Context, tell: Tell
) -> None:
    before = rejected(fleet)
    clone = HandMinion(context, fleet.master.root, "web3")
    clone.public, clone.secret = key_pair_of(fleet.minions["web3"].root)
    with pings(fleet) as seen:
        clone.connect(fleet.port)
        clone.say(
            Hello(1, 1, "0.1.0", clone.boot_id, 2**52, os.urandom(16), clone.journal_id, *REST)
        )
        denied = clone.hear(Denied, 5.0)
        clone.close()
        time.sleep(1.0)
    assert denied.reason == "cloned"
    count_grows(fleet, "key_in_two_places", before)
    tell(f"a clone of web3: {denied.reason}; {seen}")
    seen.check()


@pytest.mark.covers("B-16", "E7", "E5")
def test_a_peer_that_never_reads_delays_nobody(fleet: Fleet, context: Context, tell: Tell) -> None:
    with accepted(fleet, context, "evil") as evil, client_of(fleet) as client:
        evil.close()
        with HostilePeer(fleet.port) as peer:
            peer.log_in(server_key(fleet), (evil.public, evil.secret))
            assert peer.read_frame().startswith(b"\5READY")
            hello = Hello(1, 1, "0.1.0", evil.boot_id, 2**50, b"n" * 16, evil.journal_id, *REST)
            peer.send(peer.message(encode(hello)))
            wait_until("it has a session", lambda: "evil" in fleet.states(), 5.0)
            before_mb = memory_mb(fleet)
            with pings(fleet) as seen:
                jids = [
                    client.submit("evil", "test.echo", "x" * 100_000, ttl_s=2.0).jid
                    for _ in range(60)
                ]
                time.sleep(3.0)
        statuses = {client.wait(jid, timeout_s=30).minions["evil"].status for jid in jids}
    tell(f"60 jobs of 100 kB for one that never reads: {seen}; they ended {statuses}")
    seen.check()
    assert seen.slowest_s < 3.0
    assert memory_mb(fleet) - before_mb < 60
    assert statuses <= {"expired", "lost", "offline"}


@pytest.mark.covers("B-28", "G11", "C6")
def test_a_return_of_sixteen_million_empty_arrays_is_stored_and_shown_within_bounds(
    fleet: Fleet, context: Context, tell: Tell
) -> None:
    total = 16 * 2**20 - 64
    body = b"\xdd" + (total - 5).to_bytes(4, "big") + b"\x90" * (total - 5)
    digest = hashlib.sha256(body).hexdigest()
    with accepted(fleet, context, "evil") as evil, client_of(fleet) as client:
        evil.greet()
        job = client.submit("evil", "test.echo", "x", ttl_s=60.0)
        evil.hear(Deliver)
        with pings(fleet) as seen:
            evil.say(BulkOffer(evil.session, job.jid, digest, total))
            offset = evil.hear(BulkAck).offset
            number = 0
            while offset < total:
                piece = body[offset : offset + 160 * 1024]
                evil.say(BulkChunk(evil.session, job.jid, digest, offset, piece))
                offset = evil.hear(BulkAck).offset
                if any(isinstance(told, MasterBeat) for told in evil.told):
                    number += 1
                    beat = evil.hear(MasterBeat)
                    evil.say(Beat(evil.session, number, beat.number, (job.jid,), ""))
            evil.say(Return(evil.session, job.jid, "ok", 0, "", 1, 1, b"", digest, total, False))
            wait_until(
                "it is stored",
                lambda: client.show(job.jid).minions["evil"].status == "ok",
                20.0,
            )
            began = time.monotonic()
            shown = fleet.limpet("jobs", "show", job.jid)
            shown_s = time.monotonic() - began
    tell(
        f"16 MiB of empty arrays: {seen}; shown in {shown_s:.2f} s, exit {shown.returncode}: "
        f"{(shown.stdout + shown.stderr).strip()[-120:]!r}"
    )
    assert shown.returncode == 0, "it ended well; only its value is not shown"
    assert "it holds more than 1,000,000 values" in shown.stdout
    assert len(shown.stdout) < 10_000
    assert shown_s < 5
    seen.check()


@pytest.mark.covers("B-8", "G3", "G4")
def test_a_frame_over_the_limit_ends_its_connection_only(
    fleet: Fleet, context: Context, tell: Tell
) -> None:
    with accepted(fleet, context, "evil") as evil, pings(fleet) as seen:
        evil.close()
        for claimed in (300 * 1024, 2**31, 2**63):
            with HostilePeer(fleet.port) as peer:
                peer.log_in(server_key(fleet), (evil.public, evil.secret))
                assert peer.read_frame().startswith(b"\5READY")
                peer.send(b"\2" + claimed.to_bytes(8, "big") + bytes(1000))
                assert peer.wait_for_end(3) is not None
        evil.connect(fleet.port)
        evil.greet()
        time.sleep(0.5)
    tell(f"frames that claim 300 kB, 2 GB and 8 EB: cut at their heads; {seen}")
    seen.check()


@pytest.mark.covers("B-82", "H11")
def test_a_flood_on_the_enrolment_port_is_dropped_and_bounded(
    fleet: Fleet, context: Context, tell: Tell
) -> None:
    requests = 10_000 if IS_LONG else 900
    before_mb, starts = memory_mb(fleet), restarts_of_enrolment(fleet)
    flooder = HandMinion(context, fleet.master.root, "same-id")
    keys = [make_keypair() for _ in range(100)]
    serial = iter(range(10**9))

    def one_of_hundred() -> HandMinion:
        flooder.public, flooder.secret = keys[next(serial) % len(keys)]
        return flooder

    with pings(fleet) as seen:
        began = time.monotonic()
        frames = [encode(flooder.enrol_request()) for _ in range(requests)]
        sent = send_to_enrolment(one_of_hundred, fleet.enrol_port, frames)
        spent_s = time.monotonic() - began
    with client_of(fleet) as client:
        rows = client.keys()
        waiting = [row for row in rows if row.minion == "same-id"]
        assert 0 < len(waiting) <= len(keys)
        late = HandMinion(context, fleet.master.root, "late")
        time.sleep(2.0)
        answer = late.enrol(fleet.enrol_port)
        client.delete_keys(*(row.fingerprint for row in waiting))
        client.delete_keys("late")
    grown_mb = memory_mb(fleet) - before_mb
    tell(
        f"{sent} requests in {spent_s:.1f} s under one id with 100 keys: {seen}; waiting "
        f"{len(waiting)}; memory {grown_mb:+.1f} MB; the next is {answer.status}"
    )
    assert sent > requests * 0.9
    seen.check()
    assert restarts_of_enrolment(fleet) == starts
    assert grown_mb < 60
    assert answer.status == "pending"


def test_hostile_helpers_can_hear(fleet: Fleet, context: Context) -> None:
    """The tests above would pass for the wrong reason if an accepted key could do nothing."""
    with accepted(fleet, context, "good") as good:
        good.greet()
        assert good.main is not None
        good.say(Beat(good.session, 1, 0, (), ""))
        assert receive_within(good.main, 3.0) is not None
