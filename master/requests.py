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
from limpet.master.effects import NOW, Client, Query, Subscribe
from limpet.master.identity import StoreIdentity
from limpet.master.jobs.book import Book
from limpet.master.keys import Keys
from limpet.master.pillar.desk import PillarDesk
from limpet.master.pillar.targets import PillarTargets, Resume
from limpet.master.rotation.followers import Followers
from limpet.master.rotation.machine import MasterRotation
from limpet.master.sessions.minion import Minion, Presence
from limpet.master.sessions.roster import Due, Roster
from limpet.master.settings import MasterSettings
from limpet.master.store.operations import JobRow
from limpet.master.turn import Turn

PROBLEMS_MAX: Final = 20


class Requests:
    """Answers requests."""

    def __init__(
        self,
        settings: MasterSettings,
        keys: Keys,
        roster: Roster,
        book: Book,
        identity: StoreIdentity,
        rejected: dict[str, int],
        pillar: PillarDesk,
        rotation: MasterRotation,
        followers: Followers,
        *,
        now: Moment,
        public_key: str,
    ) -> None:
        self._pillar = pillar
        self._rotation = rotation
        self._followers = followers
        self._targets = PillarTargets(settings.pillar, pillar, roster, book.timetable)
        self._public_key = public_key
        self._settings = settings
        self._keys = keys
        self._roster = roster
        self._book = book
        self._identity = identity
        self._rejected = rejected
        self._since_s = now.wall
        self.is_stopping = False
        self.store_trouble = ""

    def on_request(self, turn: Turn, client: Client, uid: int, user: str, request: Request) -> None:
        """Answer one request; whatever the client followed before, it no longer does."""
        self._book.gathering.leave(client)
        self._targets.leave(client)
        try:
            self._answer(turn, client, uid, user, request)
        except UsageError as error:
            turn.answer(client, Refused("usage", str(error)))

    def _answer(self, turn: Turn, client: Client, uid: int, user: str, request: Request) -> None:
        match request:
            case RunJob():
                self._run(turn, client, uid, user, request)
            case WatchJob():
                self._watch(turn, client, JobId(request.jid), request)
            case CancelJob():
                self._cancel(turn, client, request)
            case ListJobs():
                turn.effects.append(Query(client, request))
            case ListMinions():
                self._with_targets(turn, client, request, partial(self._show, client))
            case ListKeys():
                turn.answer(client, KeyList(self._keys.infos()), self._keys.commit)
            case ListTokens():
                turn.answer(client, Tokens(self._keys.token_infos(turn)), self._keys.commit)
            case WatchEvents():
                turn.effects.append(Subscribe(client))
            case AskStatus():
                turn.answer(client, self.status(turn))
            case RotateMaster():
                self._rotation.on_request(turn, client, request)
            case ChangeKeys() | CreateToken() | RevokeToken():
                self._change(turn, client, user, request)
            case _:
                raise UsageError(f"this master does not know the request {type(request).__name__}")

    # -- jobs ---------------------------------------------------------------------------------

    def _run(self, turn: Turn, client: Client, uid: int, user: str, request: RunJob) -> None:
        known = self._book.asked_before(uid, request.request_id)
        if known is not None:
            self._watch(turn, client, known, request)
            return
        refusal = self._why_no_job()
        if refusal is not None:
            turn.answer(client, refusal)
            return
        ttl_s = self._checked_ttl(request.ttl_s)
        job_timeout_s = self._checked_timeout(request.job_timeout_s) or self._settings.job_timeout_s
        batch_size_of(request.batch, 1)  # a wrong one is refused before anything is rendered

        def go_on(turn: Turn, targets: list[Minion]) -> None:
            self._create(turn, client, uid, user, request, targets, ttl_s, job_timeout_s)

        self._with_targets(turn, client, request, go_on)

    def _create(
        self,
        turn: Turn,
        client: Client,
        uid: int,
        user: str,
        request: RunJob,
        targets: list[Minion],
        ttl_s: float | None,
        job_timeout_s: float,
    ) -> None:
        """Make the job, now that it is known whom it is for."""
        known = self._book.asked_before(uid, request.request_id)
        if known is not None:  # asked twice, on two connections, while pillars were rendered
            self._watch(turn, client, known, request)
            return
        refusal = self._why_no_job()
        if refusal is not None:
            turn.answer(client, refusal)
            return
        if not targets:
            text = f"no minion matches {request.target!a}"
            turn.answer(client, NoMinion(request.target, text))
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
                turn.now.wall,
                ttl_s,
                job_timeout_s,
                batch_size,
                request.is_streamed,
            )

        job = self._book.create(turn, make_row, targets)
        is_over = job.open == 0
        if is_over:
            self._book.end_if_over(turn, job)
        turn.answer(client, job.stored(), job.commit)
        if request.is_followed and is_over:
            self._book.gathering.follow(client, job.jid, is_streamed=False)
            self._book.gathering.end(turn, job.jid, job.commit)
        elif request.is_followed:
            self._book.gathering.follow(client, job.jid, is_streamed=request.is_streamed)

    def _why_no_job(self) -> Refused | None:
        """Say why no new job can be taken now, if so."""
        if self.is_stopping:
            return Refused("stopping", "the master is about to stop; ask again in a moment")
        if self.store_trouble:
            return Refused("store", f"the master takes no new jobs: {self.store_trouble}")
        settings, book = self._settings, self._book
        if book.open_jobs >= settings.jobs_open_max:
            return Refused("busy", f"{book.open_jobs} jobs are not over yet; wait or cancel some")
        if book.open_deliveries >= settings.deliveries_open_max:
            return Refused("busy", f"{book.open_deliveries} results are outstanding; wait for some")
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
        self, turn: Turn, client: Client, request: RunJob | ListMinions, go_on: Resume
    ) -> None:
        """Go on with the accepted minions that a target means. Raises `UsageError`."""
        target = compile_target(request.target, request.target_kind, self._settings.nodegroups)
        if self._targets.is_full:
            turn.answer(client, Refused("busy", "many commands wait for pillars: ask again"))
            return
        self._targets.open(turn, client, target, go_on)

    def on_due(self, turn: Turn, due: Due) -> None:
        """See to a command that waits for pillars."""
        self._targets.on_due(turn, due)

    def on_client_gone(self, client: Client) -> None:
        """Forget what a client waited for."""
        self._targets.leave(client)

    def _watch(self, turn: Turn, client: Client, jid: JobId, request: RunJob | WatchJob) -> None:
        """Let the store say what is known, with bodies; then follow what is not over."""
        job = self._book.jobs.get(jid)
        if job is None or job.row.ended_s > 0:
            after = NOW if job is None else job.commit
            query = WatchJob(jid, is_streamed=False, is_followed=request.is_followed)
            turn.effects.append(Query(client, query, after))
            return
        query = WatchJob(jid, is_streamed=False, is_followed=False)
        turn.effects.append(Query(client, query, job.commit))
        if request.is_followed:
            self._book.gathering.follow(client, jid, is_streamed=request.is_streamed)

    def _cancel(self, turn: Turn, client: Client, request: CancelJob) -> None:
        job = self._book.jobs.get(JobId(request.jid))
        if job is not None:
            unknown = [name for name in request.minions if name not in job.deliveries]
            if unknown:
                raise UsageError(f"job {job.jid} was not sent to {', '.join(unknown[:5])}")
            names = [MinionId(name) for name in request.minions] or list(job.deliveries)
            self._book.cancel(turn, job, names, is_all=not request.minions)
        query = WatchJob(request.jid, is_streamed=False, is_followed=False)
        after = NOW if job is None else job.commit
        turn.effects.append(Query(client, query, after))

    def _show(self, client: Client, turn: Turn, minions: list[Minion]) -> None:
        rows = tuple(each.shown(self._followers.why_not(each)) for each in minions)
        turn.answer(client, Minions(rows))

    # -- keys, tokens, the master -------------------------------------------------------------

    def _change(
        self,
        turn: Turn,
        client: Client,
        user: str,
        request: ChangeKeys | CreateToken | RevokeToken,
    ) -> None:
        if isinstance(request, ChangeKeys):
            turn.answer(client, KeyList(self._keys.change(turn, request)), self._keys.commit)
            return
        if isinstance(request, CreateToken):
            reply = self._keys.create_token(turn, request, user)
        else:
            reply = self._keys.revoke_token(turn, request)
        if isinstance(reply, TokenMade):
            turn.answer(client, reply, self._keys.commit)
        else:
            assert isinstance(reply, TokenInfo)
            turn.answer(client, Tokens((reply,)), self._keys.commit)

    def status(self, turn: Turn) -> MasterStatus:
        """Say how the master is; the shell adds what only it can measure."""
        roster = self._roster
        announced = self._followers.announced
        problems = [self.store_trouble] if self.store_trouble else []
        ailing = islice(roster.troubled.values(), PROBLEMS_MAX)
        problems += [f"{each.minion}: {each.condition}" for each in ailing]
        return MasterStatus(
            self._settings.version,
            self._since_s,
            self._identity.store_id,
            turn.durable,
            roster.fleet,
            roster.presences["ready"],
            dict(self._rejected),
            {
                "store_trouble": float(bool(self.store_trouble)),
                "oldest_job_s": self._book.oldest_s(turn.now.wall),
                **_by_presence(roster.presences),
                "jobs_open": float(self._book.open_jobs),
                "jobs_in_memory": float(len(self._book.jobs)),
                "deliveries_open": float(self._book.open_deliveries),
                "followers": float(len(self._book.gathering)),
                "bulk_bodies": float(len(self._book.bodies)),
                "syncing": float(roster.admission.inside),
                "waiting_for_sync": float(len(roster.admission)),
                "minions_with_next_keys": float(self._followers.knowing),
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
