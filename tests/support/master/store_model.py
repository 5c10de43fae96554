"""The master's store as dicts: what `master/store/operations.py` means, in its plainest form.

The simulator runs on it, the core's tests restart from it, and a test compares it with SQLite. It
is a value: `copy()` is a backup, and the same operations make two equal ones equal again.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from limpet.common.control.replies import (
    AnyReply,
    JobEnded,
    Jobs,
    JobStored,
    JobSummary,
    JobUpdate,
    Refused,
)
from limpet.common.control.requests import ListJobs, Request, WatchJob
from limpet.common.identifiers import JobId, MinionId, MinionKey
from limpet.master.jobs.delivery import result_of, shown_status
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
    Partial,
    PruneHistory,
    PutChunk,
    PutDelivery,
    PutJob,
    PutKey,
    PutNote,
    PutToken,
    Snapshot,
    TokenRow,
)
from limpet.master.store.reading import HELD_DELIVERIES_MAX, HELD_JOBS_MAX, REQUESTS_MAX
from limpet.master.store.sizes import job_bytes
from limpet.master.store.writing import PRUNE_JOBS_MAX, damaged_body

RECENT_S = 24 * 3600.0

Whose = tuple[JobId, MinionId]


@dataclass
class StoreModel:
    """Everything durable, and the number of the last commit."""

    keys: dict[MinionKey, KeyRow] = field(default_factory=dict)
    tokens: dict[str, TokenRow] = field(default_factory=dict)
    jobs: dict[JobId, JobRow] = field(default_factory=dict)
    deliveries: dict[JobId, dict[MinionId, DeliveryRow]] = field(default_factory=dict)
    bodies: dict[Whose, bytes] = field(default_factory=dict)
    chunks: dict[Whose, tuple[str, dict[int, bytes]]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    commit: int = 0

    def copy(self) -> "StoreModel":
        """Make a backup: what happens to either does not happen to the other."""
        return StoreModel(  # rows and pieces are never changed in place
            dict(self.keys),
            dict(self.tokens),
            dict(self.jobs),
            {jid: dict(rows) for jid, rows in self.deliveries.items()},
            dict(self.bodies),
            dict(self.chunks),
            dict(self.notes),
            self.commit,
        )

    def apply(self, commit: int, operations: Iterable[Operation]) -> None:
        """Make one transaction durable. Commits come in order, none twice."""
        assert commit > self.commit, f"commit {commit} after {self.commit}"
        for operation in operations:
            self._apply(operation)
        self.commit = commit

    def _apply(self, operation: Operation) -> None:
        match operation:
            case PutKey(row=key_row):
                self.keys[key_row.key] = key_row
            case DeleteKey(key=key):
                self.keys.pop(key, None)
            case PutToken(row=token_row):
                self.tokens[token_row.token_id] = token_row
            case DeleteToken(token_id=token_id):
                self.tokens.pop(token_id, None)
            case PutJob(row=job_row):
                self.jobs[job_row.jid] = job_row
                self.deliveries.setdefault(job_row.jid, {})
            case ChangeJob(row=job_row):
                if job_row.jid in self.jobs:
                    self.jobs[job_row.jid] = job_row
            case PutDelivery(row=row, before=before, body=body):
                if row.jid in self.jobs:
                    rows = self.deliveries[row.jid]
                    known = rows[row.minion].state if row.minion in rows else ""
                    assert before == known, f"it is said to be {before!a}, and is {known!a}: {row}"
                    rows[row.minion] = row
                    if body is not None:
                        self.bodies[row.jid, row.minion] = body
            case PutChunk(jid=jid, minion=minion, digest=digest, offset=offset, data=data):
                if jid in self.jobs:
                    present = self.chunks.get((jid, minion))
                    pieces = present[1] if present is not None and present[0] == digest else {}
                    self.chunks[jid, minion] = (digest, {**pieces, offset: data})
            case JoinChunks(jid=jid, minion=minion, digest=digest):
                self._join(jid, minion, digest)
            case DropChunks(jid=jid, minion=minion):
                self.chunks.pop((jid, minion), None)
            case PutNote(name=name, value=value):
                self.notes[name] = value
                if not value:
                    del self.notes[name]
            case PruneHistory():
                self._prune(operation)
            case _:
                raise AssertionError(f"an operation the model does not know: {operation}")

    def _join(self, jid: JobId, minion: MinionId, digest: str) -> None:
        present = self.chunks.pop((jid, minion), ("", {}))
        pieces = present[1] if present[0] == digest else {}
        body = b"".join(data for _offset, data in sorted(pieces.items()))
        found = hashlib.sha256(body).hexdigest()
        if jid in self.jobs:
            self.bodies[jid, minion] = body if found == digest else damaged_body(digest, found)

    def _prune(self, limits: PruneHistory) -> None:
        ended = sorted((row.ended_s, jid) for jid, row in self.jobs.items() if row.ended_s > 0)
        sizes = {jid: self.size(jid) for _ended_s, jid in ended}
        jobs, size = len(ended), sum(sizes.values())
        for ended_s, jid in ended[:PRUNE_JOBS_MAX]:
            if not limits.drops(ended_s, jobs, size):
                break
            jobs -= 1
            size -= sizes[jid]
            for minion in self.deliveries[jid]:
                self.bodies.pop((jid, minion), None)
                self.chunks.pop((jid, minion), None)
            del self.deliveries[jid], self.jobs[jid]

    def size(self, jid: JobId) -> int:
        """Give about what a job takes on disk."""
        rows = self.deliveries[jid].values()
        return job_bytes(
            len(self.jobs[jid].arguments), len(rows), sum(row.body_bytes for row in rows)
        )

    def held(self, jid: JobId) -> int:
        """Count the deliveries of a job that a word of their minion may still change."""
        return sum(map(_is_wanted, self.deliveries[jid].values()))

    def snapshot(
        self,
        wall_s: float,
        *,
        held_jobs_max: int = HELD_JOBS_MAX,
        held_deliveries_max: int = HELD_DELIVERIES_MAX,
        requests_max: int = REQUESTS_MAX,
    ) -> Snapshot:
        """Give what a core begins with, at a wall time. Lists are sorted by their keys."""
        wanted = sorted(
            [jid for jid, row in self.jobs.items() if row.ended_s == 0]
            + self._held(held_jobs_max, held_deliveries_max)
        )
        recent = sorted(
            (row.created_s, jid)
            for jid, row in self.jobs.items()
            if row.created_s >= wall_s - RECENT_S
        )
        remembered = sorted(jid for _created_s, jid in recent[-requests_max:])
        return Snapshot(
            keys=[row for _key, row in sorted(self.keys.items())],
            tokens=[row for _id, row in sorted(self.tokens.items())],
            jobs=[self.jobs[jid] for jid in wanted],
            deliveries=[
                row for jid in wanted for _minion, row in sorted(self.deliveries[jid].items())
            ],
            partials=[
                Partial(jid, minion, digest, _whole_length(pieces))
                for (jid, minion), (digest, pieces) in sorted(self.chunks.items())
            ],
            notes=dict(self.notes),
            commit=self.commit,
            recent_requests={
                (self.jobs[jid].uid, self.jobs[jid].request_id): jid for jid in remembered
            },
        )

    def _held(self, jobs_max: int, deliveries_max: int) -> list[JobId]:
        newest_first = sorted(
            (jid for jid, row in self.jobs.items() if row.ended_s > 0 and self.held(jid)),
            reverse=True,
        )
        deliveries = 0
        for number, jid in enumerate(newest_first[:jobs_max]):
            deliveries += len(self.deliveries[jid])
            if number > 0 and deliveries > deliveries_max:
                return newest_first[:number]
        return newest_first[:jobs_max]

    def answer(self, request: Request) -> tuple[AnyReply, ...]:
        """Answer a `Query` of the core, with all the replies in order."""
        if isinstance(request, ListJobs):
            rows = sorted(
                (
                    row
                    for jid, row in self.jobs.items()
                    if not request.before or jid < request.before
                ),
                key=lambda row: row.jid,
                reverse=True,
            )
            return (Jobs(tuple(self._summary(row) for row in rows[: request.limit])),)
        assert isinstance(request, WatchJob), f"not a reading request: {request}"
        job = self.jobs.get(JobId(request.jid))
        if job is None:
            return (Refused("unknown_job", f"there is no job {request.jid}"),)
        stored = JobStored(
            job.jid,
            job.function,
            job.target,
            job.user,
            job.created_s,
            tuple(
                result_of(row, self.bodies.get((job.jid, minion)))
                for minion, row in sorted(self.deliveries[job.jid].items())
            ),
            job.ended_s > 0,
        )
        return (stored, JobEnded(job.jid)) if request.is_followed else (stored,)

    def fetch(self, jid: JobId, minion: MinionId) -> JobUpdate:
        """Answer a `Fetch` of the core."""
        row = self.deliveries[jid][minion]
        return JobUpdate(jid, result_of(row, self.bodies.get((jid, minion))))

    def _summary(self, row: JobRow) -> JobSummary:
        counts: dict[str, int] = {}
        for delivery in self.deliveries[row.jid].values():
            status = shown_status(delivery.state)
            counts[status] = counts.get(status, 0) + 1
        return JobSummary(row.jid, row.function, row.target, row.user, row.created_s, counts)


def _is_wanted(row: DeliveryRow) -> bool:
    """Say whether a delivery keeps its ended job in the snapshot."""
    if row.cancel == "wanted":
        return True
    return row.state in ("lost", "offline", "expired") and bool(row.journal_id)


def _whole_length(pieces: dict[int, bytes]) -> int:
    have = 0
    for offset, data in sorted(pieces.items()):
        if offset <= have:
            have = max(have, offset + len(data))
    return have
