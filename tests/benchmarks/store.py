"""Figures of the store with a long history: `python tests/benchmarks/store.py` prints JSON.

    --returns 1000000     returns in the history of each shape
    --shapes 10000,100,1  minions of each of its jobs
    --rounds 5            of what is done in turns on an empty store and on the full one
    --kept FOLDER         where histories stay for the next run (building takes half a minute each)

The empty and the full store are on the same disk and take turns, so that what else the machine does
falls on both. `commit` is the time from handing over to durable, as the core waits for it; the
floor beside it is one write and `fdatasync` of 4 KiB. Nothing in here judges.
"""

import argparse
import json
import os
import platform
import select
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

sys.path.insert(0, str(Path(__file__).parents[1]))

from limpet import Client as LimpetClient
from limpet.common.clock import SystemClock
from limpet.common.control.requests import ListJobs, WatchJob
from limpet.common.identifiers import Commit, JobId
from limpet.master.core.effects import Client, Query
from limpet.master.store.operations import Operation, PruneHistory, PutDelivery, PutJob
from limpet.master.store.reader import Answered
from limpet.master.store.store import Outcome, Store
from limpet.master.store.writer import Committed
from support.master.fleet import Fleet as Processes
from support.master.fleet import wait_until
from support.states.histories import BEGAN_S, SPAN_S, Fleet, write_history

RETURNS_A_ROUND: Final = 5_000
RETURNS_A_TURN: Final = 100
"""What a loop turn of a busy master hands over at once."""
STREAM_RETURNS: Final = 100_000
BURST_RETURNS: Final = 10_000
QUESTIONS: Final = 30
PRUNED_RETURNS: Final = 50_000
FOREVER_DAYS: Final = 36_500
NO_LIMIT: Final = 1 << 50

Figures = dict[str, Any]


class Side:
    """One store, and its numbers of commits."""

    def __init__(self, path: Path, fleet: Fleet) -> None:
        self.path = path
        self.fleet = fleet
        began = time.perf_counter()
        self.store = Store(path, clock=SystemClock())
        self.commit = self.store.load(wall_s=BEGAN_S + SPAN_S).commit
        self.open_s = time.perf_counter() - began
        self.store.start()
        self.log_bytes_max = 0

    def submit(self, *operations: Operation) -> int:
        """Hand a batch over."""
        self.commit += 1
        self.store.submit(Commit(self.commit), operations)
        return self.commit

    def wait(self, is_enough: Callable[[Outcome], bool]) -> Outcome:
        """Wait for an outcome; any trouble ends the benchmark."""
        while True:
            select.select([self.store], [], [], 30.0)
            for outcome in self.store.collect():
                assert isinstance(outcome, Committed | Answered), outcome
                if is_enough(outcome):
                    return outcome

    def commit_all(self) -> None:
        """Wait for all that was handed over."""
        last = self.commit
        self.wait(lambda it: isinstance(it, Committed) and it.commit >= last)
        self.log_bytes_max = max(self.log_bytes_max, os.stat(f"{self.path}-wal").st_size)

    def ask(self, request: ListJobs | WatchJob) -> float:
        """Have a question answered; gives seconds."""
        began = time.perf_counter()
        self.store.ask(Query(Client(1), request))
        self.wait(lambda it: isinstance(it, Answered))
        return time.perf_counter() - began

    def stream(self, returns: int, minions: int, body_bytes: int = 100) -> list[float]:
        """Let jobs run, a turn after the other; gives the seconds of each turn's commit."""
        took: list[float] = []

        def commit_timed(batches: Sequence[tuple[Operation, ...]]) -> None:
            began = time.perf_counter()
            for batch in batches:
                self.submit(*batch)
            self.commit_all()
            took.append(time.perf_counter() - began)

        done = 0
        while done < returns:
            jobs = max(1, RETURNS_A_TURN // minions)
            rows = [self.fleet.job(BEGAN_S + SPAN_S + done + n) for n in range(jobs)]
            pairs = [(row, minion) for row in rows for minion in self.fleet.targets(minions)]
            commit_timed(
                [
                    (
                        *(PutJob(row) for row in rows),
                        *(PutDelivery(self.fleet.delivery(*pair, "bound")) for pair in pairs),
                    )
                ]
            )
            for start in range(0, len(pairs), RETURNS_A_TURN):
                some = pairs[start : start + RETURNS_A_TURN]
                commit_timed([self.fleet.answered(*pair, body_bytes, "bound") for pair in some])
            ended = [msgspec.structs.replace(row, ended_s=row.created_s + 1) for row in rows]
            commit_timed([tuple(PutJob(row) for row in ended)])
            done += len(pairs)
        return took

    def close(self) -> None:
        """Close the store."""
        assert self.store.close(within_s=60.0)


def spread(samples: Sequence[float]) -> Figures:
    """Give minimum, median and maximum."""
    return {
        "min": round(min(samples), 3),
        "median": round(statistics.median(samples), 3),
        "max": round(max(samples), 3),
    }


def in_ms(samples: Sequence[float]) -> Figures:
    """Give what half, and 99 of a hundred, took at most, and the worst, in milliseconds."""
    ordered = sorted(1000 * each for each in samples)
    return {
        "p50": round(ordered[len(ordered) // 2], 2),
        "p99": round(ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)], 2),
        "max": round(ordered[-1], 2),
    }


def sync_floor(folder: Path) -> list[float]:
    """Give the seconds of one write and `fdatasync` of 4 KiB, a few hundred times."""
    took: list[float] = []
    descriptor = os.open(folder / "sync", os.O_CREAT | os.O_WRONLY, 0o600)
    for _ in range(300):
        began = time.perf_counter()
        os.write(descriptor, bytes(4096))
        os.fdatasync(descriptor)
        took.append(time.perf_counter() - began)
    os.close(descriptor)
    return took


def built(kept: Path, returns: int, minions: int) -> Path:
    """Give the folder of a history, made if it is not there."""
    folder = kept / f"{returns}-by-{minions}"
    if not (folder / "made").exists():
        shutil.rmtree(folder, ignore_errors=True)
        write_history(folder / "master.db", jobs=returns // minions, minions=minions)
        (folder / "made").touch()
    return folder / "master.db"


def copied(source: Path, folder: Path) -> Path:
    """Copy a history to where it may be changed, what is in memory written."""
    folder.mkdir(parents=True)
    shutil.copy(source, folder / "master.db")
    os.sync()
    return folder / "master.db"


def inserting(folder: Path, full: Side, minions: int, rounds: int) -> Figures:
    """Write the same returns into an empty store and into the full one, in turns."""
    rates: dict[str, list[float]] = {"empty": [], "full": []}
    processor: dict[str, list[float]] = {"empty": [], "full": []}
    commits: dict[str, list[float]] = {"empty": [], "full": []}
    for number in range(rounds + 1):
        empty = Side(folder / f"empty-{number}" / "master.db", full.fleet)
        for name, side in (("empty", empty), ("full", full))[:: 1 if number % 2 else -1]:
            began, used = time.perf_counter(), time.process_time()
            took = side.stream(max(RETURNS_A_ROUND, minions), minions)
            if number:  # the first round warms up
                rates[name].append(max(RETURNS_A_ROUND, minions) / (time.perf_counter() - began))
                processor[name].append(time.process_time() - used)
                commits[name] += took
        empty.close()
    ratios = [a / b for a, b in zip(rates["empty"], rates["full"], strict=True)]
    cpu = [a / b for a, b in zip(processor["full"], processor["empty"], strict=True)]
    return {
        "returns_per_s": {name: spread(each) for name, each in rates.items()},
        "time_full_to_empty": spread(ratios),
        "cpu_full_to_empty": spread(cpu),
        "commit_ms": {name: in_ms(each) for name, each in commits.items()},
    }


def asking(side: Side, minions: int) -> Figures:
    """Ask as the command line does, the questions in turns."""
    (newest,) = _rows(side.path, "SELECT max(jid) FROM job")[0]
    some = [JobId(jid) for (jid,) in _rows(side.path, "SELECT jid FROM job LIMIT 200")]
    lists, shows = [], []
    for number in range(QUESTIONS):
        lists.append(side.ask(ListJobs(limit=50)))
        jid = newest if number % 2 else some[(number * 7) % len(some)]
        shows.append(side.ask(WatchJob(jid, False, False)))
    return {"jobs_list_ms": in_ms(lists), f"jobs_show_{minions}_ms": in_ms(shows)}


def streaming(folder: Path, fleet: Fleet, minions: int) -> Figures:
    """Let many returns come in, and a burst of them in one turn; look at commits and log."""
    side = Side(folder / "stream" / "master.db", fleet)
    began = time.perf_counter()
    took = side.stream(STREAM_RETURNS, minions)
    figures = {
        "returns": STREAM_RETURNS,
        "returns_per_s": round(STREAM_RETURNS / (time.perf_counter() - began)),
        "commit_ms": in_ms(took),
        "log_mib_max": round(side.log_bytes_max / 2**20, 1),
    }
    side.log_bytes_max = 0
    job = fleet.job(BEGAN_S + SPAN_S)
    side.submit(PutJob(job))
    side.commit_all()
    batch = [one for minion in fleet.names for one in fleet.answered(job, minion, 100)]
    began = time.perf_counter()
    side.submit(*batch[:BURST_RETURNS])
    side.commit_all()
    figures["burst_of_10000_ms"] = round((time.perf_counter() - began) * 1000, 1)
    figures["burst_log_mib_max"] = round(side.log_bytes_max / 2**20, 1)
    side.close()
    return figures


def pruning(side: Side, minions: int) -> Figures:
    """Drop the oldest returns, while others go on coming in."""
    jobs = PRUNED_RETURNS // minions or 1
    (kept,) = _rows(side.path, "SELECT ended_jobs FROM meta")[0]
    before = side.store.figures()["store_dropped_rows"]
    began = time.perf_counter()
    side.submit(PruneHistory(0.0, int(kept) - jobs, NO_LIMIT))
    side.commit_all()
    asked_s = time.perf_counter() - began
    took: list[float] = []
    while _rows(side.path, "SELECT EXISTS (SELECT 1 FROM dropping)")[0] != (0,):
        job = side.fleet.job(BEGAN_S + SPAN_S)
        once = time.perf_counter()
        side.submit(PutJob(job), *side.fleet.answered(job, side.fleet.names[0], 100))
        side.commit_all()
        took.append(time.perf_counter() - once)
        time.sleep(0.005)
    return {
        "returns": PRUNED_RETURNS,
        "asked_ms": round(asked_s * 1000, 2),
        "all_gone_s": round(time.perf_counter() - began, 2),
        "rows": side.store.figures()["store_dropped_rows"] - before,
        "commit_ms_meanwhile": in_ms(took or [0.0]),
    }


def commanding(folder: Path, source: Path) -> Figures:
    """Ask a real master, over its socket and by whole commands beside an empty Python."""
    with Processes(folder) as processes:
        root = processes.master.root
        store = root / "state" / "master" / "store"
        store.mkdir(parents=True, mode=0o700)
        shutil.copy(source, store / "master.db")
        with (root / "master.yaml").open("a") as file:
            file.write(f"history_days: {FOREVER_DAYS}\nhistory_jobs: 100000000\n")
        processes.start_master()
        client = LimpetClient(str(root))
        wait_until("the master answers", lambda: _is_answering(client))
        (newest,) = _rows(source, "SELECT max(jid) FROM job")[0]
        acts: dict[str, Callable[[], object]] = {
            "jobs_list_socket_ms": lambda: client.jobs(50),
            "jobs_show_socket_ms": lambda: client.show(newest),
            "python_alone_ms": lambda: subprocess.run([sys.executable, "-c", ""], check=True),
            "jobs_list_command_ms": lambda: processes.limpet("jobs", "list"),
            "jobs_show_command_ms": lambda: processes.limpet("jobs", "show", newest),
        }
        took: dict[str, list[float]] = {name: [] for name in acts}
        for _ in range(10):
            for name, act in acts.items():
                began = time.perf_counter()
                act()
                took[name].append(time.perf_counter() - began)
    return {name: in_ms(each) for name, each in took.items()}


def _is_answering(client: LimpetClient) -> bool:
    try:
        client.jobs(1)
    except Exception:  # noqa: BLE001  # it is not there yet
        return False
    return True


def _rows(path: Path, statement: str) -> list[tuple[Any, ...]]:
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return database.execute(statement).fetchall()
    finally:
        database.close()


def measure(folder: Path, kept: Path, returns: int, minions: int, rounds: int) -> Figures:
    """Measure one shape of history."""
    source = built(kept, returns, minions)
    size = source.stat().st_size
    side = Side(copied(source, folder / "full"), Fleet(seed=2))
    figures: Figures = {
        "returns": returns,
        "jobs": returns // minions,
        "file_mib": round(size / 2**20),
        "bytes_a_return": round(size / returns),
        "open_and_load_ms": round(side.open_s * 1000, 1),
        **asking(side, minions),
        "insert": inserting(folder, side, minions, rounds),
        "prune": pruning(side, minions),
    }
    side.close()
    figures["command"] = commanding(folder, source)
    return figures


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--returns", type=int, default=1_000_000)
    parser.add_argument("--shapes", default="10000,100,1")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kept", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.kept) as name:
        folder = Path(name)
        kept = options.kept or folder / "kept"
        shapes = {}
        for minions in map(int, options.shapes.split(",")):
            place = folder / f"by-{minions}"
            place.mkdir()
            shapes[f"{minions} minions a job"] = measure(
                place, kept, options.returns, minions, options.rounds
            )
            shutil.rmtree(place)
        found = {
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
            "cores": os.cpu_count(),
            "sync_floor_ms": in_ms(sync_floor(folder)),
            "stream": streaming(folder, Fleet(seed=3), 1_000),
            "shapes": shapes,
        }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
