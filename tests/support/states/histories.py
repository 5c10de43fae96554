"""Stores with a history of many returns, written by the store's own statements."""

import random
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from limpet.common.identifiers import JobId, MinionId, MinionKey
from limpet.common.storage import sqlite
from limpet.master.store.operations import (
    DeliveryRow,
    JobRow,
    Operation,
    PutDelivery,
    PutJob,
)
from limpet.master.store.schema import MIGRATIONS
from limpet.master.store.writing import Transaction

DAY_S: Final = 86_400.0
BEGAN_S: Final = 1_700_000_000.0
SPAN_S: Final = 20 * DAY_S
"""The jobs of a history are spread over so long."""
FLEET: Final = 10_000
ROWS_A_COMMIT: Final = 20_000
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class Fleet:
    """Minions with keys and journals, and jobs that they answered."""

    def __init__(self, seed: int = 1) -> None:
        self.chance = random.Random(seed)
        self.names = [MinionId(f"web-{number:05d}.example.net") for number in range(FLEET)]
        self._keys = {each: self.chance.randbytes(32).hex() for each in self.names}
        self._journals = {each: self.chance.randbytes(16).hex() for each in self.names}

    def jid(self, wall_s: float) -> JobId:
        """Make a job id of that time."""
        milliseconds = int(wall_s * 1000)
        text = ""
        for _ in range(10):
            text = _ALPHABET[milliseconds & 31] + text
            milliseconds >>= 5
        return JobId(text + "".join(self.chance.choices(_ALPHABET, k=16)))

    def targets(self, number: int) -> list[MinionId]:
        """Give some minions, in their order."""
        return self.names if number >= FLEET else sorted(self.chance.sample(self.names, number))

    def job(self, made_s: float) -> JobRow:
        """Make a job of that time."""
        return JobRow(
            jid=self.jid(made_s),
            uid=0,
            user="root",
            request_id=self.chance.randbytes(16).hex(),
            target="*",
            target_kind="glob",
            function="test.ping",
            arguments=b"\x92\x90\x80",
            created_s=made_s,
            ttl_s=None,
            job_timeout_s=DAY_S,
            batch_size=0,
            is_streamed=False,
        )

    def delivery(
        self, job: JobRow, minion: MinionId, state: str, body_bytes: int = 0
    ) -> DeliveryRow:
        """Make a delivery of a job."""
        return DeliveryRow(
            jid=job.jid,
            minion=minion,
            key=MinionKey(self._keys[minion]),
            state=state,
            journal_id=self._journals[minion],
            expires_s=job.created_s + 30.0,
            since_s=job.created_s + 1.0,
            started_s=job.created_s + 0.5,
            duration_s=0.1,
            body_bytes=body_bytes,
        )

    def body(self, size: int) -> bytes:
        """Make a value of so many bytes: MessagePack of bytes that can't be packed smaller."""
        return msgspec.msgpack.encode(self.chance.randbytes(max(1, size - 5)))

    def answered(
        self, job: JobRow, minion: MinionId, size: int, before: str = ""
    ) -> tuple[Operation, ...]:
        """Give what the core keeps when a minion has returned a value of so many bytes."""
        body = self.body(size)
        return (PutDelivery(self.delivery(job, minion, "ok", len(body)), before, body),)


def write_history(path: Path, *, jobs: int, minions: int, body_bytes: int = 100) -> Fleet:
    """Make a store with jobs that have ended, each answered by so many minions."""
    fleet = Fleet()
    database = opened(path, MIGRATIONS)
    rows = 0
    _begin(database)
    transaction = Transaction(database)
    for number in range(jobs):
        job = fleet.job(BEGAN_S + SPAN_S * number / jobs)
        transaction.apply(PutJob(job))
        for minion in fleet.targets(minions):
            for operation in fleet.answered(job, minion, body_bytes):
                transaction.apply(operation)
        transaction.apply(PutJob(msgspec.structs.replace(job, ended_s=job.created_s + 2.0)))
        rows += minions
        if rows >= ROWS_A_COMMIT or number == jobs - 1:
            rows = 0
            transaction.finish(number + 1)
            database.execute("COMMIT")
            sqlite.checkpoint(database)
            _begin(database)
            transaction = Transaction(database)
    database.execute("ROLLBACK")
    database.close()
    return fleet


def opened(path: Path, migrations: Sequence[str]) -> sqlite3.Connection:
    """Open a store, or make one, of a schema."""
    path.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite.connect(path, cache_kib=32 * 1024)
    sqlite.migrate(database, path, migrations)
    return database


def _begin(database: sqlite3.Connection) -> None:
    database.execute("BEGIN IMMEDIATE")
