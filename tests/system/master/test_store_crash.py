"""kill -9 of a process that writes its store, at moments nobody chose; then a look at the file."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from limpet.common.clock import SystemClock
from limpet.common.storage import sqlite
from limpet.master.store.operations import Snapshot
from limpet.master.store.store import Store
from support.master.store_model import StoreModel
from support.master.stores import scripted_batch

ROUNDS = 12

WRITER = """
import select, sys
from pathlib import Path
from limpet.common.clock import SystemClock
from limpet.common.identifiers import Commit
from limpet.master.store.store import Store
from limpet.master.store.writer import Committed
from support.master.stores import scripted_batch

store = Store(Path(sys.argv[1]), clock=SystemClock())
commit = store.load(wall_s=0.0).commit
store.start()
submitted = commit
while True:
    while submitted < commit + 50:
        submitted += 1
        store.submit(Commit(submitted), scripted_batch(submitted))
    select.select([store], [], [], 1.0)
    for outcome in store.collect():
        assert isinstance(outcome, Committed), outcome
        commit = outcome.commit
        sys.stdout.write(f"{commit}\\n")
        sys.stdout.flush()
"""


def _write_until_killed(path: Path, after_s: float) -> int:
    """Run a writer, kill it, and give the last commit that it was told to be durable."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as writer:
        assert writer.stdout is not None
        first = writer.stdout.readline()
        assert first, "the writer never committed"
        time.sleep(after_s)
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read()
    whole = [line for line in (first + rest).splitlines(keepends=True) if line.endswith("\n")]
    return int(whole[-1])


def _read(path: Path) -> Snapshot:
    store = Store(path, clock=SystemClock())
    snapshot = store.load(wall_s=0.0)
    store.close()
    return snapshot


def _whole(path: Path) -> tuple[bool, bool]:
    """Say whether the sums of the history are those of its jobs, and nothing is left by others."""
    database = sqlite.connect(path, is_read_only=True)
    try:
        return (
            database.execute(
                "SELECT ended_jobs = (SELECT count(*) FROM job WHERE ended_s > 0)"
                " AND ended_bytes = (SELECT coalesce(sum(bytes), 0) FROM sums)"
                " AND (SELECT count(*) FROM job) = (SELECT count(*) FROM sums JOIN job USING (jid))"
                " FROM meta"
            ).fetchone()
            == (1,),
            database.execute(
                "SELECT count(*) FROM delivery LEFT JOIN job USING (jid)"
                " LEFT JOIN dropping USING (jid) WHERE job.jid IS NULL AND dropping.jid IS NULL"
            ).fetchone()
            == (0,),
        )
    finally:
        database.close()


@pytest.mark.covers("C1", "C2", "B-78")
def test_no_acknowledged_commit_is_lost_and_none_is_there_in_part(tmp_path: Path) -> None:
    seed = random.SystemRandom().getrandbits(32)
    chance = random.Random(seed)
    path = tmp_path / "store" / "master.db"
    model = StoreModel()
    for round_number in range(ROUNDS):
        acknowledged = _write_until_killed(path, chance.uniform(0.0, 0.25))
        snapshot = _read(path)
        story = f"seed {seed}, round {round_number}"
        assert snapshot.commit >= acknowledged, f"{story}: acknowledged commits are lost"
        while model.commit < snapshot.commit:
            model.apply(model.commit + 1, scripted_batch(model.commit + 1))
        assert snapshot == model.snapshot(0.0), f"{story}: it is not what was written"
        assert _whole(path) == (True, True), f"{story}: sums or what pruned jobs leave are wrong"
    assert model.commit > ROUNDS
    database = sqlite.connect(path, is_read_only=True)
    sqlite.check(database, path)
    database.close()


@pytest.mark.covers("C9")
def test_a_killed_writer_leaves_nothing_that_holds_up_the_next(tmp_path: Path) -> None:
    path = tmp_path / "store" / "master.db"
    _write_until_killed(path, 0.05)
    began = time.monotonic()
    _read(path)
    assert time.monotonic() - began < 5.0
