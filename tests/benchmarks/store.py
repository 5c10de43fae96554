"""Figures of the master's store: `python tests/benchmarks/store.py [DIRECTORY]` prints JSON.

`group`: everything is handed over at once, as a burst of returns is. `single`: each commit waits
for the one before it, which shows the time of one fsync. A commit is one delivery's return: a row
of the delivery, the body, a note.
"""

import json
import os
import platform
import select
import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path

from limpet.common.clock import SystemClock
from limpet.common.identifiers import Commit, JobId, MinionId
from limpet.master.store.operations import Operation, PutDelivery, PutJob, PutNote, PutReturn
from limpet.master.store.store import Store
from limpet.master.store.writer import Committed

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.stores import delivery_row, job_row

GROUP = 20_000
SINGLE = 300


def _return(number: int) -> tuple[Operation, ...]:
    minion = f"web{number}"
    jid = JobId(job_row(1).jid)
    return (
        PutDelivery(delivery_row(1, minion, "ok")),
        PutReturn(jid, MinionId(minion), b"\xc3"),
        PutNote("last", str(number)),
    )


def _wait(store: Store, commit: int) -> None:
    while True:
        select.select([store], [], [], 10.0)
        for outcome in store.collect():
            assert isinstance(outcome, Committed), outcome
            if outcome.commit >= commit:
                return


def measure(directory: Path) -> dict[str, object]:
    """Write into a new store below the directory."""
    store = Store(directory / "store" / "master.db", clock=SystemClock())
    store.start()
    store.submit(Commit(1), (PutJob(job_row(1)),))
    _wait(store, 1)
    number = 1
    waits: list[float] = []
    for _ in range(SINGLE):
        number += 1
        began = time.perf_counter()
        store.submit(Commit(number), _return(number))
        _wait(store, number)
        waits.append(time.perf_counter() - began)
    began = time.perf_counter()
    for _ in range(GROUP):
        number += 1
        store.submit(Commit(number), _return(number))
    submitted_s = time.perf_counter() - began
    _wait(store, number)
    group_s = time.perf_counter() - began
    figures = store.figures()
    began = time.perf_counter()
    store.close()
    again = Store(directory / "store" / "master.db", clock=SystemClock())
    snapshot = again.load(wall_s=time.time())
    load_s = time.perf_counter() - began
    again.close()
    assert snapshot.commit == number
    return {
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "cores": os.cpu_count(),
        "single_commit_ms_median": round(statistics.median(waits) * 1000, 3),
        "single_commit_ms_p95": round(statistics.quantiles(waits, n=20)[-1] * 1000, 3),
        "group_commits": GROUP,
        "group_commits_per_s": round(GROUP / group_s),
        "group_rows_per_s": round(3 * GROUP / group_s),
        "group_submit_us_each": round(submitted_s / GROUP * 1e6, 1),
        "transactions": figures["store_commits"],
        "close_and_open_s": round(load_s, 3),
    }


def main() -> None:
    """Print the figures."""
    parent = sys.argv[1] if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory(dir=parent) as directory:
        print(json.dumps(measure(Path(directory)), indent=2))


if __name__ == "__main__":
    main()
