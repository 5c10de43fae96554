# ruff: noqa: ANN401 - stand-ins take whatever the methods in whose place they stand take
"""The master's machines, each broken in one way. Patching is the point here, and only here."""

from typing import Any

from limpet.common.clock import FOREVER
from limpet.common.identifiers import Commit
from limpet.common.messages.session import Beat
from limpet.master.core.key_changes import KeyChanges
from limpet.master.core.step import Step
from limpet.master.jobs.bulk_transfer import Bodies
from limpet.master.jobs.delivery import Delivery
from limpet.master.jobs.job import Job
from limpet.master.jobs.job_table import JobTable
from limpet.master.jobs.presence import PresenceChanges
from limpet.master.jobs.reports import JobReports
from limpet.master.jobs.sending import Sending
from limpet.master.master_keys.announcements import Announcements
from limpet.master.sessions.greeting import Greeter
from limpet.master.sessions.session import SessionHandler
from limpet.master.store.operations import PutChunk
from support.simulator.breaking import Change, nothing, variant


@variant()
def return_acknowledged_before_commit() -> list[Change]:
    """The minion drops what the master does not have on disk."""
    plain = JobReports._acknowledge

    def acknowledge(
        reports: JobReports, step: Any, peer: Any, minion: Any, said: Any, _: Any
    ) -> None:
        plain(reports, step, peer, minion, said, Commit(0))

    return [(JobReports, "_acknowledge", acknowledge)]


@variant()
def job_told_before_commit() -> list[Change]:
    """A client has a job id that a crash makes void."""
    plain = Step.answer

    def answer(step: Step, client: Any, reply: Any, after: Any = None) -> None:
        plain(step, client, reply, Commit(0))

    return [(Step, "answer", answer)]


@variant()
def everybody_believed_to_follow() -> list[Change]:
    """The master's key is changed without asking who knows the next one."""
    return [(Announcements, "knows_next", lambda _followers, _key: True)]


@variant()
def sent_before_bound() -> list[Change]:
    """A delivery leaves before its journal is written down."""
    plain = Step.send

    def send(step: Step, peer: Any, key: Any, message: Any, after: Any = None) -> None:
        plain(step, peer, key, message, Commit(0))

    return [(Step, "send", send)]


@variant()
def delivery_never_sent_again() -> list[Change]:
    """A delivery that found a full queue waits for the next session."""
    plain = Sending._send

    def send(sending: Sending, step: Step, job: Any, delivery: Delivery, session: Any) -> None:
        plain(sending, step, job, delivery, session)
        delivery.resend_at = FOREVER
        sending.arm(step.now, delivery)

    return [(Sending, "_send", send)]


@variant()
def journal_id_ignored() -> list[Change]:
    """A minion that was installed anew is sent what its old journal was bound to."""
    plain = PresenceChanges.on_ready

    def on_ready(presence: PresenceChanges, step: Any, minion: Any, session: Any) -> None:
        for delivery in presence._open_of(minion):
            delivery.journal_id = delivery.journal_id and session.journal_id
            if delivery.state in ("accepted", "started"):
                delivery.state = "bound"
        plain(presence, step, minion, session)

    return [(PresenceChanges, "on_greeted", nothing), (PresenceChanges, "on_ready", on_ready)]


@variant(within=800)
def late_result_overwrites_first() -> list[Change]:
    """The last word counts instead of the first."""
    plain = JobReports.on_return

    def on_return(reports: JobReports, step: Any, peer: Any, minion: Any, said: Any) -> None:
        found = reports._job_table.find(said.jid, minion.minion)
        if found is not None and not found[1].is_open and said.outcome != found[1].state:
            job, delivery = found
            job.count(delivery, -1)
            delivery.state, delivery.is_returned = "lost", False
            job.count(delivery, 1)
        plain(reports, step, peer, minion, said)

    return [(JobReports, "on_return", on_return)]


@variant()
def lost_is_never_corrected() -> list[Change]:
    """What the master once believed to be lost stays so."""
    return [(Delivery, "is_correctable", property(lambda _delivery: False))]


@variant()
def request_id_ignored() -> list[Change]:
    """A client that asks again after a cut makes a second job."""
    return [(JobTable, "asked_before", nothing)]


@variant(within=600)
def clone_displaces_original() -> list[Change]:
    """Whoever comes last with the key is let in."""

    def probe(greeter: Greeter, step: Any, minion: Any, _session: Any, greeting: Any) -> None:
        greeter._let_in(step, minion, greeting)

    return [(Greeter, "_probe", probe)]


@variant()
def session_of_a_rejected_key_kept() -> list[Change]:
    """Rejecting a key changes what is written down, and nothing else."""
    return [(KeyChanges, "_shut_out", nothing)]


@variant()
def link_counter_ignored() -> list[Change]:
    """A greeting of an older socket that comes late is welcomed."""
    plain = Greeter.on_hello

    def on_hello(
        greeter: Greeter, step: Any, peer: Any, minion: Any, address: str, hello: Any
    ) -> None:
        minion.link_counter = 0
        plain(greeter, step, peer, minion, address, hello)

    return [(Greeter, "on_hello", on_hello)]


@variant()
def beats_not_answered() -> list[Change]:
    """The master beats by itself and echoes nobody."""

    def on_beat(
        _handler: SessionHandler, _step: Any, _minion: Any, _session: Any, _said: Beat
    ) -> None:
        return None

    return [(SessionHandler, "on_beat", on_beat)]


@variant()
def batch_without_limit() -> list[Change]:
    """A batch is sent to all at once."""
    return [(Job, "has_room", property(lambda _job: True))]


@variant()
def absent_minions_queued_for() -> list[Change]:
    """A job that nobody asked to wait is kept for a minion that is offline."""
    return [
        (PresenceChanges, "on_offline", nothing),
        (Sending, "given_up_at", lambda _s, _d: FOREVER),
    ]


@variant(within=800)
def restored_store_sends_old_jobs() -> list[Change]:
    """A store from a backup goes on as if nothing had happened since."""
    return [(PresenceChanges, "on_store_restored", nothing)]


@variant()
def ended_jobs_kept() -> list[Change]:
    """Nothing ever leaves the master's memory."""
    return [(JobTable, "on_committed", nothing)]


@variant()
def bulk_offset_ignored() -> list[Change]:
    """A piece is added to the body wherever it belongs."""

    def on_chunk(
        bodies: Bodies, step: Step, minion: Any, jid: Any, digest: str, offset: int, data: bytes
    ) -> Any:
        body = bodies._bodies.get((minion, jid))
        if body is None or body.digest != digest:
            return None
        body.commit = step.keep(PutChunk(jid, minion, digest, body.have, data))
        body.have += len(data)
        return body

    return [(Bodies, "on_chunk", on_chunk)]
