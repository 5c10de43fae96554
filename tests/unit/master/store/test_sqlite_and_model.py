"""The same operations make the same snapshot in SQLite and in the model of the simulator."""

import hashlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from limpet.common.control.replies import JobStored, Reply
from limpet.common.control.requests import ListJobs, WatchJob
from limpet.common.identifiers import JobId, MinionId, MinionKey
from limpet.common.storage import sqlite
from limpet.master.store import history, reading
from limpet.master.store.collected import INLINE_BYTES_MAX
from limpet.master.store.dropping import drop_piece
from limpet.master.store.operations import (
    ChangeJob,
    DeleteKey,
    DeleteToken,
    DeliveryRow,
    DropChunks,
    JobRow,
    JoinChunks,
    KeyRow,
    Operation,
    PruneHistory,
    PutChunk,
    PutDelivery,
    PutJob,
    PutKey,
    PutNote,
    PutToken,
    TokenRow,
)
from limpet.master.store.schema import MIGRATIONS
from limpet.master.store.writing import Transaction
from support.master.store_model import StoreModel

NOW_S = 1_000_000.0
BODY = bytes(range(30))
DIGESTS = (hashlib.sha256(BODY).hexdigest(), "ab" * 32)
STATES = ("created", "bound", "accepted", "started", "ok", "failed", "lost", "offline", "expired")

jids = st.integers(0, 3).map(lambda n: JobId(f"01HX{n:022d}"))
minions = st.sampled_from([MinionId(name) for name in ("web1", "web2", "db%_'")])
keys = st.integers(0, 3).map(lambda n: MinionKey(f"{n:064x}"))
times = st.sampled_from((NOW_S, NOW_S - 10, NOW_S - 86_400, NOW_S - 86_401, NOW_S - 1e6))
texts = st.text(st.characters(codec="utf-8"), max_size=5)
counts = st.integers(0, 2**53)

key_rows = st.builds(
    KeyRow,
    key=keys,
    minion=minions,
    state=st.sampled_from(("accepted", "pending", "rejected")),
    since_s=times,
    address=texts,
    token_id=texts,
    asked_s=times,
    journal_id=texts,
    seen_s=times,
    was_ready=st.booleans(),
    version=texts,
    grains_digest=texts,
    grains=st.binary(max_size=5),
)
token_rows = st.builds(
    TokenRow,
    token_id=st.sampled_from(("a", "b", "c")),
    verifier=st.binary(max_size=4),
    expires_s=times,
    uses_max=counts,
    used=counts,
    id_pattern=texts,
    created_by=texts,
    created_s=times,
    is_revoked=st.booleans(),
)
job_rows = st.builds(
    JobRow,
    jid=jids,
    uid=st.integers(0, 2),
    user=texts,
    request_id=st.sampled_from(("r1", "r2")),
    target=texts,
    target_kind=st.just("glob"),
    function=st.just("test.ping"),
    arguments=st.binary(max_size=5),
    created_s=times,
    ttl_s=st.none() | times,
    job_timeout_s=times,
    batch_size=counts,
    is_streamed=st.booleans(),
    is_cancelled=st.booleans(),
    ended_s=st.just(0.0) | times,
)
delivery_rows = st.builds(
    DeliveryRow,
    jid=jids,
    minion=minions,
    key=keys,
    state=st.sampled_from(STATES),
    journal_id=st.sampled_from(("", "j")),
    expires_s=times,
    since_s=times,
    cancel=st.sampled_from(("", "wanted", "answered")),
    error=texts,
    retcode=st.integers(-(2**31), 2**31),
    started_s=times,
    duration_s=times,
    body_bytes=st.sampled_from((0, 30, 90_000_000)),
    is_cut=st.booleans(),
)


def _pieces(operation_jid: JobId, minion: MinionId, digest: str) -> list[Operation]:
    cuts = ((0, 10), (10, 20), (20, 30))
    return [PutChunk(operation_jid, minion, digest, a, BODY[a:b]) for a, b in cuts]


bodies = st.binary(max_size=5) | st.just(bytes(INLINE_BYTES_MAX)) | st.just(bytes(600))
operations = st.one_of(
    st.builds(PutKey, key_rows),
    st.builds(DeleteKey, keys),
    st.builds(PutToken, token_rows),
    st.builds(DeleteToken, st.sampled_from(("a", "b", "c"))),
    st.builds(PutJob, job_rows),
    st.builds(ChangeJob, job_rows),
    st.builds(PutDelivery, delivery_rows, st.just(""), st.none() | bodies),
    st.builds(
        PutChunk,
        jids,
        minions,
        st.sampled_from(DIGESTS),
        st.sampled_from((0, 10, 20)),
        st.just(BODY[:10]),
    ),
    st.builds(JoinChunks, jids, minions, st.sampled_from(DIGESTS)),
    st.builds(DropChunks, jids, minions),
    st.builds(PutNote, st.sampled_from(("store_id", "fleet")), texts),
    st.builds(
        PruneHistory,
        times,
        st.integers(0, 4),
        st.sampled_from((0, 700, 1_400, 90_001_400, 1 << 40)),
    ),
)
whole_bodies = st.builds(_pieces, jids, minions, st.sampled_from(DIGESTS))
transactions = st.lists(st.lists(operations, max_size=4) | whole_bodies, min_size=1, max_size=25)


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    # In memory where there is such a place: these laws do not need a disk.
    shared = Path("/dev/shm")
    made = Path(tempfile.mkdtemp(dir=shared if shared.is_dir() else None))
    yield made
    shutil.rmtree(made)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(transactions, st.sets(st.integers(1, 25)))
def test_random_operations_give_the_same_snapshot_and_the_same_history(
    directory: Path, batches: list[list[Operation]], pieces_at: set[int]
) -> None:
    path = directory / "db"
    for old in directory.iterdir():
        old.unlink()
    database = sqlite.connect(path)
    try:
        sqlite.migrate(database, path, MIGRATIONS)
        model = StoreModel()
        for number, batch in enumerate(batches, start=1):
            database.execute("BEGIN")
            transaction = Transaction(database)
            for operation in batch:
                if _is_asked(model, operation):
                    known = _as_known(model, operation)
                    transaction.apply(known)
                    model.apply(model.commit + 1, [known])
            model.commit = number * 100
            transaction.finish(model.commit)
            if number in pieces_at:
                drop_piece(database)
            database.execute("COMMIT")

        assert reading.load(database, wall_s=NOW_S) == model.snapshot(NOW_S)
        assert reading.load(
            database, wall_s=NOW_S, held_jobs_max=2, held_deliveries_max=3, requests_max=2
        ) == model.snapshot(NOW_S, held_jobs_max=2, held_deliveries_max=3, requests_max=2)
        _assert_sums(database, model)
        for request in (
            ListJobs(limit=3),
            ListJobs(limit=10, before=f"01HX{3:022d}"),
            *(WatchJob(f"01HX{n:022d}", False, n % 2 == 0) for n in range(6)),
        ):
            found = history.answer(database, request)
            if not any(row.body_bytes > 30 for row in _rows(model)):
                assert _comparable(found) == _comparable(list(model.answer(request)))
        for (jid, minion), body in model.bodies.items():
            assert reading.body(database, jid, minion) == body
        while drop_piece(database):
            pass
        for table in ("delivery", "body", "chunk"):
            left = database.execute(
                f"SELECT count(*) FROM {table} WHERE jid NOT IN (SELECT jid FROM job)"
            )
            assert left.fetchone() == (0,), table
    finally:
        database.close()


def test_a_value_too_large_for_one_answer_is_left_out_with_a_word(directory: Path) -> None:
    path = directory / "large"
    database = sqlite.connect(path)
    sqlite.migrate(database, path, MIGRATIONS)
    jid = JobId(f"01HX{9:022d}")
    job = JobRow(jid, 0, "root", "r", "*", "glob", "test.ping", b"", 1.0, None, 1.0, 0, False)
    transaction = Transaction(database)
    transaction.apply(PutJob(job))
    for minion, size in (("web1", 30_000_000), ("web2", 30_000_000), ("web3", 5)):
        row = DeliveryRow(
            jid, MinionId(minion), MinionKey("0" * 64), "ok", "j", 1.0, 1.0, body_bytes=size
        )
        transaction.apply(PutDelivery(row, body=b"body"))

    transaction.finish(None)
    (stored,) = history.answer(database, WatchJob(jid, False, False))
    database.close()

    assert isinstance(stored, JobStored)
    assert [result.body for result in stored.results] == [b"body", None, b"body"]
    assert [result.is_cut for result in stored.results] == [False, True, False]
    assert stored.results[1].error.startswith("the value of 30000000 bytes is left out")


def _as_known(model: StoreModel, operation: Operation) -> Operation:
    """Say of a delivery in which state the store has it, as the core does."""
    if isinstance(operation, PutDelivery):
        present = model.deliveries.get(operation.row.jid, {}).get(operation.row.minion)
        before = "" if present is None else present.state
        return PutDelivery(operation.row, before, operation.body)
    return operation


def _assert_sums(database: sqlite3.Connection, model: StoreModel) -> None:
    """What is kept of ended jobs is what counting them gives."""
    found = {row[0]: row[1:] for row in database.execute("SELECT jid, bytes, held FROM sums")}
    ended = {jid: model.size(jid) for jid, row in model.jobs.items() if row.ended_s > 0}
    assert found == {
        jid: (ended[jid], model.held(jid)) if jid in ended else (0, 0) for jid in model.jobs
    }
    totals = database.execute("SELECT ended_jobs, ended_bytes FROM meta").fetchone()
    assert totals == (len(ended), sum(ended.values()))


def _is_asked(model: StoreModel, operation: Operation) -> bool:
    """Say whether the core would ask for this: bodies only beside a delivery."""
    if isinstance(operation, PutChunk | JoinChunks):
        return operation.minion in model.deliveries.get(operation.jid, {})
    return True


def _rows(model: StoreModel) -> list[DeliveryRow]:
    return [row for rows in model.deliveries.values() for row in rows.values()]


def _comparable(replies: list[Reply]) -> list[str]:
    """Leave texts out, which the model does not imitate."""
    return [
        repr(
            [type(reply), getattr(reply, "jid", ""), getattr(reply, "jobs", "")]
            + [(r.minion, r.status, r.retcode, r.body) for r in getattr(reply, "results", ())]
        )
        for reply in replies
    ]
