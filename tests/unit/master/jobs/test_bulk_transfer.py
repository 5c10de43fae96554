"""Returns over one frame: pieces are durable before they are acknowledged, and joined once."""

import hashlib

import msgspec
import pytest

from limpet.common.identifiers import JobId, MinionId
from limpet.common.messages.fields import Message
from limpet.common.messages.jobs import BulkAck, BulkChunk, BulkOffer, Return, ReturnAck
from limpet.master.core.settings import MasterSettings
from support.master.master_bench import Bench, MinionOnBench

BODY = bytes(range(256)) * 4
DIGEST = hashlib.sha256(BODY).hexdigest()


class Large:
    """A minion with a large return for one job."""

    def __init__(self, settings: MasterSettings | None = None) -> None:
        self.bench = Bench(["web1"], settings=settings or MasterSettings())
        self.web1 = MinionOnBench(self.bench, "web1")
        self.web1.connect()
        self.jid = self.bench.run().jid

    def offer(self, total: int = len(BODY), digest: str = DIGEST) -> list[Message]:
        return self.web1.say(BulkOffer(self.web1.session, self.jid, digest, total))

    def chunk(self, start: int, end: int, digest: str = DIGEST) -> list[Message]:
        return self.web1.say(BulkChunk(self.web1.session, self.jid, digest, start, BODY[start:end]))

    def returned(self) -> Return:
        return msgspec.structs.replace(
            self.web1.returned(self.jid, body=b""), bulk_digest=DIGEST, bulk_bytes=len(BODY)
        )

    def ack(self, offset: int, digest: str = DIGEST) -> BulkAck:
        return BulkAck(self.web1.session, self.jid, digest, offset)


def test_a_large_body_comes_in_pieces_and_is_told_with_its_body() -> None:
    large = Large()
    assert large.offer() == [large.ack(0)]
    assert large.chunk(0, 500) == [large.ack(500)]
    assert large.chunk(500, 1024) == [large.ack(1024)]
    (ack,) = large.web1.say(large.returned())
    assert isinstance(ack, ReturnAck)
    bench = large.bench
    assert bench.store.bodies[JobId(large.jid), MinionId("web1")] == BODY
    (update,) = bench.updates()
    assert (update.status, update.body) == ("ok", BODY)
    assert not bench.store.chunks


def test_a_piece_is_acknowledged_only_once_it_is_durable() -> None:
    large = Large()
    large.offer()
    large.bench.disk_is_slow = True
    assert large.chunk(0, 500) == []
    assert large.chunk(0, 500) == []  # again, for want of an answer
    large.bench.commit()
    assert large.bench.sent[-2:] == [(large.web1.peer, large.ack(500))] * 2


def test_a_piece_out_of_place_is_answered_with_what_is_here() -> None:
    large = Large()
    large.offer()
    large.chunk(0, 300)
    assert large.chunk(500, 600) == [large.ack(300)]
    assert large.chunk(0, 300) == [large.ack(300)]


def test_a_body_that_begins_anew_after_another_may_come_in_other_pieces() -> None:
    """Found by the simulator: old pieces stayed in the store between the new ones."""
    large = Large()
    large.offer()
    large.chunk(0, 300)
    large.chunk(300, 1024)
    assert large.offer(digest="cd" * 32) == [large.ack(0, "cd" * 32)]
    assert large.offer() == [large.ack(0)]
    large.chunk(0, 200)
    large.chunk(200, 1024)
    (ack,) = large.web1.say(large.returned())
    assert isinstance(ack, ReturnAck)
    assert large.bench.store.bodies[JobId(large.jid), MinionId("web1")] == BODY


def test_a_return_whose_body_is_not_all_here_is_not_taken() -> None:
    large = Large()
    large.offer()
    large.chunk(0, 300)
    assert large.web1.say(large.returned()) == [large.ack(300)]
    assert large.bench.statuses(large.jid) == {"web1": "queued"}
    large.chunk(300, 1024)
    (ack,) = large.web1.say(large.returned())
    assert isinstance(ack, ReturnAck)


def test_another_digest_begins_anew() -> None:
    large = Large()
    large.offer()
    large.chunk(0, 300)
    other = "0" * 64
    assert large.offer(digest=other) == [large.ack(0, other)]
    assert large.chunk(300, 400) == []
    assert large.chunk(0, 100, other) == [large.ack(100, other)]


@pytest.mark.covers("C6", "F4")
def test_a_body_over_the_cap_is_not_taken() -> None:
    large = Large(MasterSettings(return_bytes_max=1000))
    assert large.offer() == []
    assert large.offer(total=900) == [large.ack(0)]
    assert large.chunk(0, 1024) == []
    assert large.bench.counts == ["quota", "quota"]


def test_one_minion_has_only_so_many_unfinished_bodies() -> None:
    large = Large(MasterSettings(partials_max=1))
    large.offer()
    large.jid = large.bench.run(client=2).jid
    assert large.offer() == []
    assert large.bench.counts == ["quota"]


@pytest.mark.covers("B-17")
def test_a_body_that_does_not_grow_for_ten_minutes_is_dropped() -> None:
    large = Large()
    large.offer()
    large.chunk(0, 300)
    large.bench.advance(599)
    assert large.bench.store.chunks
    large.bench.advance(2)
    assert not large.bench.store.chunks
    large.web1.connect()
    assert large.offer() == [large.ack(0)]


def test_a_body_that_is_not_needed_is_not_asked_for() -> None:
    large = Large()
    large.web1.finish(large.jid)
    assert large.offer() == [large.ack(len(BODY))]
    (ack,) = large.web1.say(large.returned())
    assert isinstance(ack, ReturnAck)


@pytest.mark.covers("B-37")
def test_pieces_for_somebody_elses_job_are_dropped() -> None:
    bench = Bench(["web1", "web2"])
    web1, web2 = MinionOnBench(bench, "web1"), MinionOnBench(bench, "web2")
    web1.connect()
    web2.connect()
    jid = bench.run("web1").jid
    assert web2.say(BulkOffer(web2.session, jid, DIGEST, len(BODY))) == []
    assert web2.say(BulkChunk(web2.session, jid, DIGEST, 0, BODY)) == []
    assert bench.counts == ["not_my_job"] * 2
    assert not bench.store.chunks


@pytest.mark.covers("B-15")
def test_returns_are_bounded_in_bytes() -> None:
    large = Large(MasterSettings(return_bytes_s=1.0, return_burst_bytes=3000.0))
    large.offer()
    assert large.chunk(0, 1024) != []
    assert large.chunk(0, 1024) != []
    assert large.chunk(0, 1024) == []
    assert large.bench.counts == ["rate"]
