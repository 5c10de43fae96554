"""Large returns on their way: in pieces, resumed where the master stands, never in a beat's way."""

import hashlib

import pytest

from limpet.common.identifiers import JobId
from limpet.common.messages.jobs import BulkAck, BulkChunk, BulkOffer, Return, ReturnAck
from limpet.minion.core.effects import ReadBody
from limpet.minion.jobs.results import WorkerResult
from limpet.minion.journal.records import JobFinished, replay
from support.minion.minion_bench import Bench, accepted_journal, jid

BODY = bytes(range(256)) * 4000  # 1,024,000 bytes
DIGEST = hashlib.sha256(BODY).hexdigest()


class BulkBench(Bench):
    """A bench whose spool and master know the one large body."""

    def finish(self, number: int = 1, body: bytes = BODY) -> JobId:
        """Let a job end with a large body."""
        job = self.deliver(number)
        self.spawn(job)
        digest = hashlib.sha256(body).hexdigest()
        self.end(job, WorkerResult("ok", 0, body_bytes=len(body), body_digest=digest))
        return job

    def read(self, body: bytes = BODY) -> None:
        """Let the spool answer the last question."""
        asked = self.of(ReadBody)[-1]
        data = body[asked.offset : asked.offset + asked.size]
        self.take(self.core.on_body(self.now, asked.jid, asked.offset, data))

    def ack(self, job: JobId, offset: int, digest: str = DIGEST) -> None:
        """Let the master say how much it has."""
        self.hear(BulkAck(self.session, job, digest, offset))

    def carry(self, job: JobId, transit_s: float = 0.01, until: int = len(BODY)) -> bytes:
        """Let chunks through until so much has arrived; gives what arrived."""
        arrived = b""
        while len(arrived) < until:
            self.read()
            chunk = self.last(BulkChunk)
            assert chunk.offset <= until
            arrived += chunk.data
            self.advance(transit_s)
            self.echo()
            self.ack(job, chunk.offset + len(chunk.data))
        return arrived


@pytest.mark.covers("F4")
def test_a_large_return_goes_in_pieces_that_grow_and_the_return_comes_last() -> None:
    bench = BulkBench()
    bench.ready()
    job = bench.finish()
    assert (bench.last(BulkOffer).digest, bench.last(BulkOffer).total) == (DIGEST, len(BODY))
    assert bench.sent(Return) == []
    bench.ack(job, 0)
    arrived = bench.carry(job)
    assert arrived == BODY
    sizes = [len(chunk.data) for chunk in bench.sent(BulkChunk)]
    assert sizes[:4] == [16384, 32768, 65536, 131072]
    assert max(sizes) == 160 * 1024
    returned = bench.last(Return)
    assert (returned.body, returned.bulk_digest, returned.bulk_bytes) == (b"", DIGEST, len(BODY))
    bench.hear(ReturnAck(bench.session, job))
    assert bench.core.job_table.counts()["returns_waiting"] == 0


def test_on_a_slow_line_the_pieces_stay_small() -> None:
    bench = BulkBench()
    bench.ready()
    job = bench.finish()
    bench.ack(job, 0)
    bench.carry(job, transit_s=1.5, until=200_000)
    assert {len(chunk.data) for chunk in bench.sent(BulkChunk)} == {16384}


@pytest.mark.covers("F12")
def test_after_a_loss_the_transfer_goes_on_from_where_the_master_stands() -> None:
    bench = BulkBench()
    bench.ready()
    job = bench.finish()
    bench.ack(job, 0)
    bench.carry(job, until=100_000)
    bench.link("disconnected")
    bench.come_back()
    assert len(bench.sent(BulkOffer)) == 2
    bench.ack(job, 98_304)
    assert bench.of(ReadBody)[-1].offset == 98_304


def test_only_one_piece_is_outstanding_whatever_waits() -> None:
    bench = BulkBench()
    bench.ready()
    jobs = [bench.finish(number) for number in range(3)]
    assert len(bench.sent(BulkOffer)) == 1
    bench.ack(jobs[0], 0)
    bench.read()
    bench.ack(jobs[1], 0)
    assert len(bench.sent(BulkChunk)) == 1
    assert len(bench.sent(BulkOffer)) == 1


def test_a_second_answer_to_the_same_piece_is_ignored() -> None:
    bench = BulkBench()
    bench.ready()
    job = bench.finish()
    bench.ack(job, 0)
    bench.read()
    bench.ack(job, 16384)
    bench.read()
    bench.ack(job, 16384)
    bench.ack(job, 0)
    assert len(bench.sent(BulkChunk)) == 2
    assert len(bench.of(ReadBody)) == 2


def test_answers_that_make_no_sense_are_ignored() -> None:
    bench = BulkBench()
    bench.ready()
    job = bench.finish()
    bench.ack(job, 0, "0" * 64)
    bench.ack(job, len(BODY) + 1)
    bench.ack(JobId("0" * 26), 0)
    assert bench.of(ReadBody) == []


def test_a_master_that_does_not_answer_is_asked_again_and_others_go_first() -> None:
    bench = BulkBench()
    bench.ready()
    first, second = bench.finish(1), bench.finish(2)
    for _ in range(11):
        bench.advance(1)
        bench.echo()
    assert [offer.jid for offer in bench.sent(BulkOffer)] == [first, second]


def test_a_master_that_lacks_a_part_after_all_gets_it() -> None:
    bench = BulkBench()
    bench.ready()
    job = bench.finish()
    bench.ack(job, len(BODY))
    assert bench.last(Return).bulk_digest == DIGEST
    bench.ack(job, 500_000)
    assert bench.of(ReadBody)[-1].offset == 500_000


def test_a_middling_body_travels_inside_the_return_once_the_line_has_shown_its_speed() -> None:
    bench = BulkBench()
    bench.ready()
    job = bench.finish()
    bench.ack(job, 0)
    bench.carry(job)
    bench.hear(ReturnAck(bench.session, job))
    small = bytes(50_000)
    other = bench.finish(2, small)
    bench.read(small)
    assert (bench.last(Return).jid, bench.last(Return).body) == (other, small)
    assert bench.last(Return).bulk_digest == ""


def test_a_body_that_is_gone_from_the_disk_does_not_hide_how_the_job_ended() -> None:
    bench = BulkBench()
    bench.ready()
    job = bench.finish()
    bench.ack(job, 0)
    asked = bench.of(ReadBody)[-1]
    bench.take(bench.core.on_body(bench.now, asked.jid, asked.offset, b""))
    returned = bench.last(Return)
    assert (returned.outcome, returned.is_cut, returned.bulk_bytes) == ("ok", True, 0)
    assert "spool" in returned.error


def test_small_returns_pass_a_large_one() -> None:
    bench = BulkBench()
    bench.ready()
    job = bench.finish()
    bench.ack(job, 0)
    bench.read()
    small = bench.deliver(2)
    bench.spawn(small)
    bench.end(small)
    assert bench.last(Return).jid == small


def test_many_returns_wait_for_room_in_the_window() -> None:
    journal = accepted_journal()
    body = bytes(1000)
    for number in range(60):
        ending = JobFinished(jid(number), "ok", 0, "", 1.0, 1.0, body, len(body), "", False, 2.0)
        replay(journal, ending)
    bench = Bench(journal).ready()
    returned = bench.sent(Return)
    assert len(returned) == 13, "16 KiB are under way"
    for message in returned:
        bench.hear(ReturnAck(bench.session, message.jid))
    assert len(bench.sent(Return)) == 26
