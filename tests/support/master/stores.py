"""Rows for tests of the store, and waiting for what its threads report."""

import hashlib
import select
from collections.abc import Callable

from limpet.common.clock import SystemClock
from limpet.common.identifiers import JobId, MinionId, MinionKey
from limpet.master.store.operations import (
    DeliveryRow,
    JobRow,
    JoinChunks,
    Operation,
    PruneHistory,
    PutChunk,
    PutDelivery,
    PutJob,
    PutNote,
)
from limpet.master.store.store import Outcome, Store

PATIENCE_S = 20.0


def job_row(number: int, *, ended_s: float = 0.0, created_s: float = 1.0) -> JobRow:
    """Make a job whose jid counts."""
    return JobRow(
        jid=JobId(f"01HX{number:022d}"),
        uid=0,
        user="root",
        request_id=f"{number:032x}",
        target="*",
        target_kind="glob",
        function="test.ping",
        arguments=b"\x92\x90\x80",
        created_s=created_s,
        ttl_s=None,
        job_timeout_s=60.0,
        batch_size=0,
        is_streamed=False,
        ended_s=ended_s,
    )


def delivery_row(number: int, minion: str = "web1", state: str = "created") -> DeliveryRow:
    """Make a delivery of that job."""
    return DeliveryRow(
        jid=JobId(f"01HX{number:022d}"),
        minion=MinionId(minion),
        key=MinionKey("0" * 64),
        state=state,
        journal_id="",
        expires_s=0.0,
        since_s=1.0,
    )


def collect_until(store: Store, is_enough: Callable[[list[Outcome]], bool]) -> list[Outcome]:
    """Collect what the store reports until it is enough; fails after twenty seconds."""
    found: list[Outcome] = []
    deadline = SystemClock().now().after(PATIENCE_S)
    while not is_enough(found):
        left_s = deadline - SystemClock().now().boot
        assert left_s > 0, f"the store reported only {found}"
        select.select([store], [], [], left_s)
        found += store.collect()
    return found


def scripted_batch(number: int) -> tuple[Operation, ...]:
    """Give the operations of commit `number`: the same each time, of every kind over time."""
    jid = job_row(number).jid
    earlier = JobId(f"01HX{max(1, number - 7):022d}")
    minion = MinionId("web1")
    body = bytes([number % 256]) * 3000
    digest = hashlib.sha256(body).hexdigest()
    batch: list[Operation] = [
        PutJob(job_row(number)),
        PutDelivery(delivery_row(number, state="bound")),
        PutNote("last", str(number)),
        PutChunk(jid, minion, digest, 0, body[:2000]),
    ]
    if number > 7:
        early_body = bytes([(number - 7) % 256]) * 3000
        early_digest = hashlib.sha256(early_body).hexdigest()
        batch += [
            PutChunk(earlier, minion, early_digest, 2000, early_body[2000:]),
            JoinChunks(earlier, minion, early_digest),
            PutDelivery(delivery_row(number - 7, state="ok"), "bound"),
            PutJob(job_row(number - 7, ended_s=float(number))),
        ]
    if number % 50 == 0:
        batch.append(PruneHistory(before_s=0.0, jobs_max=20, bytes_max=1 << 40))
    return tuple(batch)
