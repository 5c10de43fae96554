"""A person at the command line: starts jobs, follows them, asks again after a cut, cancels."""

import msgspec

from limpet.common.control.replies import (
    AnyReply,
    JobEnded,
    JobStored,
    JobUpdate,
    NoMinion,
    Refused,
)
from limpet.common.control.requests import CancelJob, RunJob, WatchJob
from support.simulator.master_host import MasterHost
from support.simulator.statuses import FINAL, SHOWN_ARROWS
from support.simulator.truth import Truth
from support.simulator.world import World


class Command:
    """One `limpet run`, followed until it has ended, across restarts of the master."""

    def __init__(
        self,
        world: World,
        master: MasterHost,
        truth: Truth,
        *,
        target: str,
        function: str = "cmd.run",
        seconds: float = 0.1,
        outcome: str = "ok",
        size: int = 10,
        ttl_s: float | None = None,
        job_timeout_s: float = 0.0,
        batch: str = "",
        is_streamed: bool = False,
        cancel_after_s: float | None = None,
    ) -> None:
        self.world = world
        self.master = master
        self.truth = truth
        self.seconds = seconds
        self.outcome = outcome
        options = {"seconds": seconds, "outcome": outcome, "size": size}
        self.request = RunJob(
            f"{world.chance.getrandbits(128):032x}",
            target,
            "glob" if "," not in target else "list",
            function,
            msgspec.msgpack.encode([[], options if function != "test.ping" else {}]),
            ttl_s,
            job_timeout_s,
            batch,
            is_streamed,
            True,
        )
        self.jid = ""
        self.created_at = 0.0
        self.statuses: dict[str, str] = {}
        self.is_over = False
        self.refusal = ""
        self.first_told_at = 0.0
        self._client: int | None = None
        self._attempt = 0
        self.is_cancel_asked = False
        self._connect()
        if cancel_after_s is not None:
            world.later(cancel_after_s, self._cancel)

    def _connect(self) -> None:
        if self.is_over:
            return
        self._attempt += 1
        attempt = self._attempt
        self._client = self.master.connect_client(lambda reply: self._on_reply(attempt, reply))
        if self._client is None:
            self.world.later(0.25, self._connect)
        elif self.jid:
            self.master.ask(self._client, WatchJob(self.jid, self.request.is_streamed, True))
        else:
            self.master.ask(self._client, self.request)

    def _on_reply(self, attempt: int, reply: AnyReply | None) -> None:
        if attempt != self._attempt or self.is_over:
            return
        if reply is None:
            self.world.later(0.25, self._connect)
        elif isinstance(reply, JobStored):
            if self.jid and self.jid != reply.jid:
                raise AssertionError(f"one request became two jobs: {self.jid} and {reply.jid}")
            if not self.jid:
                self.first_told_at = self.world.t
            self.jid = reply.jid
            self.truth.acknowledged_jobs.add(reply.jid)
            for result in reply.results:
                self._tell(result.minion, result.status)
        elif isinstance(reply, JobUpdate):
            self._tell(reply.result.minion, reply.result.status)
        elif isinstance(reply, JobEnded):
            is_final = FINAL.issuperset(self.statuses.values())
            if not is_final and not self.truth.is_store_rolled_back:
                raise AssertionError(f"{self.jid} was told to have ended: {self.statuses}")
            self.is_over = True
            self._leave()
        elif isinstance(reply, NoMinion):
            self.is_over = True
            self.refusal = "no minion"
            self._leave()
        elif isinstance(reply, Refused):
            if reply.reason == "unknown_job" and self.truth.is_store_rolled_back:
                self.is_over = True
                self.refusal = reply.text
                self._leave()
            elif reply.reason in ("store", "stopping", "busy"):
                self._leave()
                self.world.later(0.5, self._connect)
            else:
                raise AssertionError(f"the master refused a good request: {reply}")

    def _tell(self, minion: str, status: str) -> None:
        before = self.statuses.get(minion)
        if before != status:
            self.statuses[minion] = status
            is_allowed = before is None or status in SHOWN_ARROWS.get(before, ())
            if not is_allowed and not self.truth.is_store_rolled_back:
                raise AssertionError(f"{self.jid} on {minion}: told `{before}`, then `{status}`")
            self.truth.told.setdefault((self.jid, minion), []).append(status)
            self.world.note("operator", f"{self.jid[-6:]} {minion}: {status}")

    def _leave(self) -> None:
        if self._client is not None:
            self.master.leave(self._client)
            self._client = None

    def _cancel(self) -> None:
        if self.is_over:
            return
        if not self.jid:
            self.world.later(0.5, self._cancel)
            return
        done: list[bool] = []

        def on_reply(reply: AnyReply | None) -> None:
            if reply is None and not done:
                self.world.later(0.3, self._cancel)
            elif not done:
                done.append(True)
                if client is not None:
                    self.master.leave(client)

        client = self.master.connect_client(on_reply)
        if client is None:
            self.world.later(0.3, self._cancel)
        else:
            self.is_cancel_asked = True
            self.master.ask(client, CancelJob(self.jid))
