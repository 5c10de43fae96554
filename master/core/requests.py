"""What clients of the Unix socket ask, and who answers it.

Jobs that are not over are answered by the book and followed there; bodies and history are read by
the store (`Query`). Nothing is told before the commit that makes it true.
"""

import math
from collections.abc import Mapping
from functools import partial
from itertools import islice
from typing import Final, get_args

from limpet.common.clock import Moment
from limpet.common.control.replies import (
    Keys as KeyList,
)
from limpet.common.control.replies import (
    MasterStatus,
    Minions,
    NoMinion,
    Refused,
    TokenInfo,
    TokenMade,
    Tokens,
)
from limpet.common.control.requests import (
    AskStatus,
    CancelJob,
    ChangeKeys,
    CreateToken,
    ListJobs,
    ListKeys,
    ListMinions,
    ListTokens,
    Request,
    RevokeToken,
    RotateMaster,
    RunJob,
    WatchEvents,
    WatchJob,
)
from limpet.common.errors import UsageError
from limpet.common.identifiers import JobId, MinionId
from limpet.common.targeting.target import compile_target
from limpet.master.core.effects import NOW, Client, Query, Subscribe
from limpet.master.core.key_changes import KeyChanges
from limpet.master.core.settings import MasterSettings
from limpet.master.core.step import Step
from limpet.master.core.store_identity import StoreIdentity
from limpet.master.jobs.job_table import JobTable
from limpet.master.master_keys.announcements import Announcements
from limpet.master.master_keys.rotation import MasterRotation
from limpet.master.pillar.requests import PillarRequests
from limpet.master.sessions.minion import Minion, Presence
from limpet.master.sessions.registry import Due, MinionRegistry
from limpet.master.store.operations import JobRow
from limpet.master.targeting.resolution import Resume, TargetResolution

PROBLEMS_MAX: Final = 20


class Requests:
    """Answers requests."""

    def __init__(
        self,
        settings: MasterSettings,
        keys: KeyChanges,
        registry: MinionRegistry,
        job_table: JobTable,
        identity: StoreIdentity,
        rejected: dict[str, int],
        pillar: PillarRequests,
        rotation: MasterRotation,
        announcements: Announcements,
        *,
        now: Moment,
        public_key: str,
    ) -> None:
        self._pillar = pillar
        self._rotation = rotation
        self._announcements = announcements
        self._targets = TargetResolution(settings.pillar, pillar, registry, job_table.timers)
        self._public_key = public_key
        self._settings = settings
        self._keys = keys
        self._registry = registry
        self._job_table = job_table
        self._identity = identity
        self._rejected = rejected
        self._since_s = now.wall
        self.is_stopping = False
        self.store_trouble = ""

    def on_request(self, step: Step, client: Client, uid: int, user: str, request: Request) -> None:
        """Answer one request; whatever the client followed before, it no longer does."""
        self._job_table.followers.leave(client)
        self._targets.leave(client)
        try:
            self._answer(step, client, uid, user, request)
        except UsageError as error:
            step.answer(client, Refused("usage", str(error)))

    def _answer(self, step: Step, client: Client, uid: int, user: str, request: Request) -> None:
        match request:
            case RunJob():
                self._run(step, client, uid, user, request)
            case WatchJob():
                self._watch(step, client, JobId(request.jid), request)
            case CancelJob():
                self._cancel(step, client, request)
            case ListJobs():
                step.effects.append(Query(client, request))
            case ListMinions():
                self._with_targets(step, client, request, partial(self._show, client))
            case ListKeys():
                step.answer(client, KeyList(self._keys.infos()), self._keys.commit)
            case ListTokens():
                step.answer(client, Tokens(self._keys.token_infos(step)), self._keys.commit)
            case WatchEvents():
                step.effects.append(Subscribe(client))
            case AskStatus():
                step.answer(client, self.status(step))
            case RotateMaster():
                self._rotation.on_request(step, client, request)
            case ChangeKeys() | CreateToken() | RevokeToken():
                self._change(step, client, user, request)
            case _:
                raise UsageError(f"this master does not know the request {type(request).__name__}")

    # -- jobs ---------------------------------------------------------------------------------

    def _run(self, step: Step, client: Client, uid: int, user: str, request: RunJob) -> None:
        known = self._job_table.asked_before(uid, request.request_id)
        if known is not None:
            self._watch(step, client, known, request)
            return
        refusal = self._why_no_job()
        if refusal is not None:
            step.answer(client, refusal)
            return
        ttl_s = self._checked_ttl(request.ttl_s)
        job_timeout_s = self._checked_timeout(request.job_timeout_s) or self._settings.job_timeout_s
        batch_size_of(request.batch, 1)  # a wrong one is refused before anything is rendered

        def go_on(step: Step, targets: list[Minion]) -> None:
            self._create(step, client, uid, user, request, targets, ttl_s, job_timeout_s)

        self._with_targets(step, client, request, go_on)

    def _create(
        self,
        step: Step,
        client: Client,
        uid: int,
        user: str,
        request: RunJob,
        targets: list[Minion],
        ttl_s: float | None,
        job_timeout_s: float,
    ) -> None:
        """Make the job, now that it is known whom it is for."""
        known = self._job_table.asked_before(uid, request.request_id)
        if known is not None:  # asked twice, on two connections, while pillars were rendered
            self._watch(step, client, known, request)
            return
        refusal = self._why_no_job()
        if refusal is not None:
            step.answer(client, refusal)
            return
        if not targets:
            text = f"no minion matches {request.target!a}"
            step.answer(client, NoMinion(request.target, text))
            return
        batch_size = batch_size_of(request.batch, len(targets))

        def make_row(jid: JobId) -> JobRow:
            return JobRow(
                jid,
                uid,
                user,
                request.request_id,
                request.target,
                request.target_kind,
                request.function,
                request.arguments,
                step.now.wall,
                ttl_s,
                job_timeout_s,
                batch_size,
                request.is_streamed,
            )

        job = self._job_table.create(step, make_row, targets)
        is_over = job.open == 0
        if is_over:
            self._job_table.end_if_over(step, job)
        step.answer(client, job.stored(), job.commit)
        if request.is_followed and is_over:
            self._job_table.followers.follow(client, job.jid, is_streamed=False)
            self._job_table.followers.end(step, job.jid, job.commit)
        elif request.is_followed:
            self._job_table.followers.follow(client, job.jid, is_streamed=request.is_streamed)

    def _why_no_job(self) -> Refused | None:
        """Say why no new job can be taken now, if so."""
        if self.is_stopping:
            return Refused("stopping", "the master is about to stop; ask again in a moment")
        if self.store_trouble:
            return Refused("store", f"the master takes no new jobs: {self.store_trouble}")
        settings, job_table = self._settings, self._job_table
        if job_table.open_jobs >= settings.jobs_open_max:
            return Refused(
                "busy", f"{job_table.open_jobs} jobs are not over yet; wait or cancel some"
            )
        if job_table.open_deliveries >= settings.deliveries_open_max:
            return Refused(
                "busy", f"{job_table.open_deliveries} results are outstanding; wait for some"
            )
        return None

    def _checked_ttl(self, ttl_s: float | None) -> float | None:
        if ttl_s is None:
            return None
        if not math.isfinite(ttl_s) or not 0 < ttl_s <= self._settings.ttl_max_s:
            raise UsageError(
                f"--ttl {ttl_s:g}: give seconds above 0 and at most {self._settings.ttl_max_s:g}"
            )
        return ttl_s

    def _checked_timeout(self, timeout_s: float) -> float:
        if not math.isfinite(timeout_s) or not 0 <= timeout_s <= self._settings.job_timeout_max_s:
            raise UsageError(
                f"the job timeout {timeout_s:g}: give seconds, at most "
                f"{self._settings.job_timeout_max_s:g}, or 0 for the default"
            )
        return timeout_s

    def _with_targets(
        self, step: Step, client: Client, request: RunJob | ListMinions, go_on: Resume
    ) -> None:
        """Go on with the accepted minions that a target means. Raises `UsageError`."""
        target = compile_target(request.target, request.target_kind, self._settings.nodegroups)
        if self._targets.is_full:
            step.answer(client, Refused("busy", "many commands wait for pillars: ask again"))
            return
        self._targets.open(step, client, target, go_on)

    def on_due(self, step: Step, due: Due) -> None:
        """See to a command that waits for pillars."""
        self._targets.on_due(step, due)

    def on_client_gone(self, client: Client) -> None:
        """Forget what a client waited for."""
        self._targets.leave(client)

    def _watch(self, step: Step, client: Client, jid: JobId, request: RunJob | WatchJob) -> None:
        """Let the store say what is known, with bodies; then follow what is not over."""
        job = self._job_table.jobs.get(jid)
        if job is None or job.row.ended_s > 0:
            after = NOW if job is None else job.commit
            query = WatchJob(jid, is_streamed=False, is_followed=request.is_followed)
            step.effects.append(Query(client, query, after))
            return
        query = WatchJob(jid, is_streamed=False, is_followed=False)
        step.effects.append(Query(client, query, job.commit))
        if request.is_followed:
            self._job_table.followers.follow(client, jid, is_streamed=request.is_streamed)

    def _cancel(self, step: Step, client: Client, request: CancelJob) -> None:
        job = self._job_table.jobs.get(JobId(request.jid))
        if job is not None:
            unknown = [name for name in request.minions if name not in job.deliveries]
            if unknown:
                raise UsageError(f"job {job.jid} was not sent to {', '.join(unknown[:5])}")
            names = [MinionId(name) for name in request.minions] or list(job.deliveries)
            self._job_table.cancel(step, job, names, is_all=not request.minions)
        query = WatchJob(request.jid, is_streamed=False, is_followed=False)
        after = NOW if job is None else job.commit
        step.effects.append(Query(client, query, after))

    def _show(self, client: Client, step: Step, minions: list[Minion]) -> None:
        rows = tuple(each.shown(self._announcements.why_not(each)) for each in minions)
        step.answer(client, Minions(rows))

    # -- keys, tokens, the master -------------------------------------------------------------

    def _change(
        self,
        step: Step,
        client: Client,
        user: str,
        request: ChangeKeys | CreateToken | RevokeToken,
    ) -> None:
        if isinstance(request, ChangeKeys):
            step.answer(client, KeyList(self._keys.change(step, request)), self._keys.commit)
            return
        if isinstance(request, CreateToken):
            reply = self._keys.create_token(step, request, user)
        else:
            reply = self._keys.revoke_token(step, request)
        if isinstance(reply, TokenMade):
            step.answer(client, reply, self._keys.commit)
        else:
            assert isinstance(reply, TokenInfo)
            step.answer(client, Tokens((reply,)), self._keys.commit)

    def status(self, step: Step) -> MasterStatus:
        """Say how the master is; the shell adds what only it can measure."""
        registry = self._registry
        announced = self._announcements.announced
        problems = [self.store_trouble] if self.store_trouble else []
        ailing = islice(registry.troubled.values(), PROBLEMS_MAX)
        problems += [f"{each.minion}: {each.condition}" for each in ailing]
        return MasterStatus(
            self._settings.version,
            self._since_s,
            self._identity.store_id,
            step.durable,
            registry.fleet,
            registry.presences["ready"],
            dict(self._rejected),
            {
                "store_trouble": float(bool(self.store_trouble)),
                "oldest_job_s": self._job_table.oldest_s(step.now.wall),
                **_by_presence(registry.presences),
                "jobs_open": float(self._job_table.open_jobs),
                "jobs_in_memory": float(len(self._job_table.jobs)),
                "deliveries_open": float(self._job_table.open_deliveries),
                "followers": float(len(self._job_table.followers)),
                "bulk_bodies": float(len(self._job_table.bodies)),
                "syncing": float(registry.admission.inside),
                "waiting_for_sync": float(len(registry.admission)),
                "minions_with_next_keys": float(self._announcements.knowing),
                "history_bytes_max": float(self._settings.history_bytes_max),
                **self._keys.figures,
                **self._pillar.figures,
            },
            tuple(problems[:PROBLEMS_MAX]),
            self._public_key,
            () if announced is None else tuple(each.key.hex() for each in announced.following),
            "" if announced is None else announced.site.hex(),
        )


def _by_presence(presences: Mapping[Presence, int]) -> dict[str, float]:
    """Give how many minions are how: `minions_ready` and the like."""
    return {
        f"minions_{presence.replace(' ', '_')}": float(presences[presence])
        for presence in get_args(Presence)
    }


def batch_size_of(text: str, targets: int) -> int:
    """Read `N` or `N%` as a number of minions; 0: all at once. Raises `UsageError`."""
    if not text:
        return 0
    digits = text.removesuffix("%")
    if not digits.isascii() or not digits.isdigit() or int(digits) == 0:
        raise UsageError(f"batch {text!a}: give a number of minions above 0, or a percentage")
    if digits == text:
        return int(digits)
    return max(1, targets * min(int(digits), 100) // 100)
