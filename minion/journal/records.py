"""What the minion's journal holds, and how a journal read from disk becomes the state of its jobs.

Pure: the file itself is the business of `io/`. `replay` is the only reader of records, in
production and in the simulator.

    accepted ──▶ started ──▶ finished ──▶ acknowledged ──▶ forgotten (after `remember`)
    accepted ───────────────▶ finished                     (expired, refused, cancelled early)
    (nothing) ──▶ tombstone                                (cancel came before the job)
"""

import msgspec

from limpet.common.identifiers import JobId, JournalId


class Record(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """One durable statement; a journal is a sequence of them."""


class JournalOpened(Record, tag="opened", frozen=True):
    """The first record of a journal: its identity."""

    journal_id: str


class Note(Record, tag="note", frozen=True):
    """A small fact to keep: `fleet`, `store_id`, `store_commit`, `minion_id`, `remember_s`."""

    name: str
    value: str


class JobAccepted(Record, tag="accepted", frozen=True):
    """The job may run, once, if started before it expires."""

    jid: str
    function: str
    arguments: bytes
    job_timeout_s: float
    is_streamed: bool
    user: str
    return_bytes_max: int
    expires_boot_s: float
    """On this host's CLOCK_BOOTTIME; holds within `boot_id`."""
    expires_wall_s: float
    """On this host's wall clock; holds after a reboot."""
    boot_id: str
    accepted_wall_s: float


class JobStarted(Record, tag="started", frozen=True):
    """The worker of this pid and start time (field 22 of its `stat`) is about to be released."""

    jid: str
    pid: int
    process_start: int
    boot_id: str
    started_wall_s: float
    started_boot_s: float


class JobFinished(Record, tag="finished", frozen=True):
    """How it ended. The body, if any, is in the spool file of the jid."""

    jid: str
    outcome: str
    retcode: int
    error: str
    started_wall_s: float
    duration_s: float
    body: bytes
    """The body itself where it is small (≤ 16 KiB); else empty and in the spool."""
    body_bytes: int
    body_digest: str
    is_cut: bool
    finished_wall_s: float


class JobTombstone(Record, tag="tombstone", frozen=True):
    """Cancelled. Before it was seen: never runs. While running: the worker is being ended."""

    jid: str
    at_wall_s: float


class JobAcknowledged(Record, tag="acknowledged", frozen=True):
    """The master has the return; the jid is remembered, the rest is not."""

    jid: str
    at_wall_s: float


class JobForgotten(Record, tag="forgotten", frozen=True):
    """Older than the longest ttl: the jid may be dropped."""

    jid: str


AnyRecord = (
    JournalOpened
    | Note
    | JobAccepted
    | JobStarted
    | JobFinished
    | JobTombstone
    | JobAcknowledged
    | JobForgotten
)


class JobEntry(msgspec.Struct):
    """All that the journal says of one job."""

    jid: JobId
    accepted: JobAccepted | None = None
    started: JobStarted | None = None
    finished: JobFinished | None = None
    is_cancelled: bool = False
    is_acknowledged: bool = False
    touched_wall_s: float = 0.0
    """Wall time of the newest record, for forgetting."""


class JournalState(msgspec.Struct):
    """A journal, replayed."""

    journal_id: JournalId | None = None
    notes: dict[str, str] = msgspec.field(default_factory=dict)
    jobs: dict[JobId, JobEntry] = msgspec.field(default_factory=dict)


def replay(state: JournalState, record: Record) -> None:
    """Apply one record. Applying a record twice changes nothing more (a torn rewrite may)."""
    if isinstance(record, JournalOpened):
        state.journal_id = JournalId(record.journal_id)
        return
    if isinstance(record, Note):
        state.notes[record.name] = record.value
        return
    if isinstance(record, JobForgotten):
        state.jobs.pop(JobId(record.jid), None)
        return
    assert isinstance(
        record, JobAccepted | JobStarted | JobFinished | JobTombstone | JobAcknowledged
    )
    entry = state.jobs.setdefault(JobId(record.jid), JobEntry(JobId(record.jid)))
    if isinstance(record, JobAccepted):
        entry.accepted = record
        entry.touched_wall_s = record.accepted_wall_s
    elif isinstance(record, JobStarted):
        entry.started = record
        entry.touched_wall_s = record.started_wall_s
    elif isinstance(record, JobFinished):
        if entry.finished is None:  # the first durable record wins
            entry.finished = record
            entry.touched_wall_s = record.finished_wall_s
    elif isinstance(record, JobTombstone):
        entry.is_cancelled = True
        entry.touched_wall_s = record.at_wall_s
    else:
        entry.is_acknowledged = True
        entry.touched_wall_s = record.at_wall_s


def compact(state: JournalState) -> list[Record]:
    """Give the shortest journal that replays to the same state.

    Of an acknowledged job only the fact that it was here is kept.
    """
    records: list[Record] = []
    if state.journal_id is not None:
        records.append(JournalOpened(state.journal_id))
    records.extend(Note(name, value) for name, value in state.notes.items())
    for entry in state.jobs.values():
        if entry.is_acknowledged:
            records.append(JobAcknowledged(entry.jid, entry.touched_wall_s))
            continue
        if entry.accepted is not None:
            records.append(entry.accepted)
        if entry.started is not None:
            records.append(entry.started)
        if entry.is_cancelled:
            records.append(JobTombstone(entry.jid, entry.touched_wall_s))
        if entry.finished is not None:
            records.append(entry.finished)
    return records
