"""Cancelling: durable, acknowledged, and kept as a tombstone where it came first.

not known            -> JobTombstone on disk, then `cancelled`: the job never runs
queued               -> JobTombstone and JobFinished in one commit, then `cancelled`
has a worker         -> JobTombstone on disk, then KillJob and `cancelling`
finished before      -> `finished`: its return stands
"""

from limpet.common.clock import Moment
from limpet.common.identifiers import Commit, JobId
from limpet.common.messages.jobs import CancelAnswer, CancelVerdict
from limpet.minion.core.effects import NOW, Send
from limpet.minion.core.outbox import Outbox
from limpet.minion.jobs.ending import without_result
from limpet.minion.jobs.job import Phase
from limpet.minion.jobs.job_registry import JobRegistry
from limpet.minion.jobs.seen_jids import Why
from limpet.minion.journal.records import JobTombstone
from limpet.minion.sessions.greeting import Line


class Cancellation:
    """Ends jobs of the registry for good."""

    def __init__(self, registry: JobRegistry, outbox: Outbox) -> None:
        self._registry = registry
        self._outbox = outbox

    def on_cancel(self, now: Moment, line: Line | None, jid: JobId) -> None:
        """End the job, or see to it that it never runs. Answered once that is on disk."""
        job = self._registry.find(jid)
        if job is None:
            self._cancel_unknown(now, line, jid)
        elif job.phase is Phase.FINISHED:
            is_cancelled = job.ending is not None and job.ending.outcome == "cancelled"
            verdict: CancelVerdict = "cancelled" if is_cancelled else "finished"
            self._answer_cancel(line, jid, verdict, job.finished)
        elif job.cancelled is not None:
            self._answer_cancel(line, jid, "cancelling", job.cancelled)
        elif job.phase is Phase.QUEUED:
            ending = without_result(now, job, "cancelled", "cancelled before it started")
            self._registry.finish(now, job, ending, JobTombstone(jid, now.wall))
            self._answer_cancel(line, jid, "cancelled", job.finished)
        else:
            job.cancelled = self._outbox.persist(JobTombstone(jid, now.wall))
            self._registry.kill(now, job, "cancelled", job.cancelled)
            self._answer_cancel(line, jid, "cancelling", job.cancelled)

    def _cancel_unknown(self, now: Moment, line: Line | None, jid: JobId) -> None:
        why = self._registry.seen_jids.why(jid)
        after = NOW
        if why is None:
            after = self._outbox.persist(JobTombstone(jid, now.wall))
            self._registry.seen_jids.add(jid, Why.TOMBSTONE, now.wall)
        verdict: CancelVerdict = "finished" if why is Why.ACKNOWLEDGED else "cancelled"
        # A tombstone that is known may still be on its way to the disk: wait for all there is.
        self._answer_cancel(line, jid, verdict, after if why is None else self._outbox.last_commit)

    def _answer_cancel(
        self, line: Line | None, jid: JobId, verdict: CancelVerdict, after: Commit
    ) -> None:
        if line is not None:
            self._outbox.add(Send(line.attempt, CancelAnswer(line.session, jid, verdict), after))
