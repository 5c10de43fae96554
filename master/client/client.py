"""The client: one object for everything that a master on this host can be asked."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

from limpet.common.control.packages import (
    ListPackages,
    OfferPackage,
    PackageAnswer,
    PackageInfo,
    PackageKept,
    Packages,
)
from limpet.common.control.replies import (
    Event,
    Jobs,
    JobStored,
    JobSummary,
    KeyInfo,
    Keys,
    MasterStatus,
    MinionRow,
    Minions,
    Remark,
    Rotation,
    TokenInfo,
    TokenMade,
    Tokens,
)
from limpet.common.control.requests import (
    AskStatus,
    CancelJob,
    ChangeKeys,
    CreateToken,
    KeyAction,
    ListJobs,
    ListKeys,
    ListMinions,
    ListTokens,
    Request,
    RevokeToken,
    RotateMaster,
    RunJob,
    TargetKind,
    WatchEvents,
    WatchJob,
)
from limpet.common.errors import MasterUnreachable, Stalled, UsageError
from limpet.common.identifiers import FUNCTION_PATTERN, job_id
from limpet.common.service.paths import Roots
from limpet.common.terminal.arguments import encode_arguments
from limpet.master.client.errors import ConnectionLost, raise_refusal, unexpected
from limpet.master.client.following import Following
from limpet.master.client.line import Line, Notice
from limpet.master.client.packages import Handover
from limpet.master.client.results import JobBook, JobResult

PATIENCE_S: Final = 120.0
FIRST_PATIENCE_S: Final = 4.0
ANSWER_S: Final = 15.0
"""How long the master may take for what it answers at once, before it is asked again."""

TARGET_BYTES_MAX: Final = 4096

R = TypeVar("R")


def _say_nothing(text: str) -> None:
    """Drop a notice."""


class Client:
    """A client of the master on this host.

    Not for use by several threads at once; each may have its own. Its connection is opened by the
    first call and kept. Every call ends: with an answer, or with an error of the family
    `limpet.common.errors.LimpetError` whose `exit_code` is that of the command line.

    If the master goes away in the middle of a call the client asks again, until `patience_s` have
    passed; a job is never made twice by that, and no change is told twice. A master that was never
    reached is given up after `first_patience_s`.
    """

    def __init__(
        self,
        root: str | None = None,
        *,
        patience_s: float = PATIENCE_S,
        first_patience_s: float = FIRST_PATIENCE_S,
        on_notice: Notice | None = None,
    ) -> None:
        """Prepare; nothing is opened yet.

        `root` is what `--root` is on the command line; None: `$LIMPET_ROOT`, else the system's
        places. `on_notice` is told in a line when the master is away and when it is back.
        """
        self._path = Roots.locate("master", root).socket_path
        self._patience_s = patience_s
        self._first_patience_s = first_patience_s
        self._on_notice = _say_nothing if on_notice is None else on_notice
        self._idle: Line | None = None
        self._was_reached = False

    def close(self) -> None:
        """Close the connection that is kept. The client may be used again after it."""
        if self._idle is not None:
            self._idle.close()
            self._idle = None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- jobs -----------------------------------------------------------------------------------

    def run(
        self,
        target: str,
        function: str,
        *arguments: Any,  # noqa: ANN401
        keywords: Mapping[str, Any] | None = None,
        kind: TargetKind = "glob",
        ttl_s: float | None = None,
        job_timeout_s: float = 0.0,
        batch: str = "",
        timeout_s: float | None = None,
    ) -> JobResult:
        """Run a function on all minions of a target and wait for all that can answer.

        `keywords` are the function's keyword arguments. `kind` says how the target is meant.
        `ttl_s` keeps the job for minions that are offline for so long. `job_timeout_s` ends the
        function itself (0: the minion's default, 24 h). `batch` (`5`, `20%`) bounds how many run at
        once. `timeout_s` is how long to wait here: the result then shows who is still `running`.

        Raises `NoMinionMatched`, `UsageError`, `MasterUnreachable`; a function that failed is not
        an error here, but a status in the result. Raises `Stalled` if the timeout passed before
        the job was stored.
        """
        following = self.start(
            target,
            function,
            *arguments,
            keywords=keywords,
            kind=kind,
            ttl_s=ttl_s,
            job_timeout_s=job_timeout_s,
            batch=batch,
            timeout_s=timeout_s,
        )
        return _to_the_end(following)

    def start(
        self,
        target: str,
        function: str,
        *arguments: Any,  # noqa: ANN401
        keywords: Mapping[str, Any] | None = None,
        kind: TargetKind = "glob",
        ttl_s: float | None = None,
        job_timeout_s: float = 0.0,
        batch: str = "",
        timeout_s: float | None = None,
        is_streamed: bool = False,
        is_followed: bool = True,
    ) -> Following:
        """Begin as `run` does, and give the job to follow: iterate over its changes.

        `is_streamed` asks for the live output of the function as `JobOutput`. Without
        `is_followed` it ends as soon as the job is stored.
        """
        if not FUNCTION_PATTERN.match(function):
            raise UsageError(
                f"{function[:80]!a} is not the name of a function: module.function is expected, "
                "as in test.ping"
            )
        size = len(target.encode("utf-8", "surrogateescape"))
        if not 0 < size <= TARGET_BYTES_MAX:
            raise UsageError(
                f"the target has {size} bytes, but 1 to {TARGET_BYTES_MAX} are expected; define "
                "a node group in the master's configuration for what is longer"
            )
        request = RunJob(
            request_id=os.urandom(16).hex(),
            target=target,
            target_kind=kind,
            function=function,
            arguments=encode_arguments(arguments, dict(keywords or {})),
            ttl_s=ttl_s,
            job_timeout_s=job_timeout_s,
            batch=batch,
            is_streamed=is_streamed,
            is_followed=is_followed,
        )
        return self._follow(request, timeout_s)

    def submit(
        self,
        target: str,
        function: str,
        *arguments: Any,  # noqa: ANN401
        keywords: Mapping[str, Any] | None = None,
        kind: TargetKind = "glob",
        ttl_s: float | None = None,
        job_timeout_s: float = 0.0,
        batch: str = "",
        timeout_s: float = ANSWER_S,
    ) -> JobResult:
        """Store a job and come back at once, with its `jid` and who it is for."""
        following = self.start(
            target,
            function,
            *arguments,
            keywords=keywords,
            kind=kind,
            ttl_s=ttl_s,
            job_timeout_s=job_timeout_s,
            batch=batch,
            timeout_s=timeout_s,
            is_followed=False,
        )
        return following.wait_stored()

    def watch(
        self, jid: str, *, timeout_s: float | None = None, is_streamed: bool = False
    ) -> Following:
        """Follow a job that exists, from what is known of it now to its end."""
        return self._follow(
            WatchJob(jid=job_id(jid), is_streamed=is_streamed, is_followed=True), timeout_s
        )

    def wait(self, jid: str, *, timeout_s: float | None = None) -> JobResult:
        """Wait for a job's end. The result says who has none if the timeout passed."""
        return _to_the_end(self.watch(jid, timeout_s=timeout_s))

    def show(self, jid: str) -> JobResult:
        """Give what is known of a job now."""
        request = WatchJob(jid=job_id(jid), is_streamed=False, is_followed=False)
        return self._follow(request, ANSWER_S).wait_stored()

    def cancel(self, jid: str, minions: Sequence[str] = ()) -> JobResult:
        """Cancel a job on all its minions, or on those named; comes back once that is durable."""
        stored = self._ask(CancelJob(jid=job_id(jid), minions=tuple(minions)), JobStored)
        book = JobBook()
        book.on_stored(stored)
        return book.result()

    def jobs(self, limit: int = 50, before: str = "") -> tuple[JobSummary, ...]:
        """Give the newest jobs, newest first; `before`: only those older than this jid."""
        older = job_id(before) if before else ""
        return self._ask(ListJobs(limit=limit, before=older), Jobs).jobs

    # --- minions, keys, tokens ------------------------------------------------------------------

    def minions(self, target: str = "*", kind: TargetKind = "glob") -> tuple[MinionRow, ...]:
        """Give the accepted minions of a target, by id; maybe none."""
        return self._ask(ListMinions(target=target, target_kind=kind), Minions).minions

    def keys(self) -> tuple[KeyInfo, ...]:
        """Give all keys, by state and id."""
        return self._ask(ListKeys(), Keys).keys

    def accept_keys(self, *patterns: str, is_all: bool = False) -> tuple[KeyInfo, ...]:
        """Accept keys by id, glob or fingerprint; gives those that were accepted."""
        return self.change_keys("accept", patterns, is_all=is_all)

    def reject_keys(self, *patterns: str, is_all: bool = False) -> tuple[KeyInfo, ...]:
        """Reject keys; their sessions end at once."""
        return self.change_keys("reject", patterns, is_all=is_all)

    def delete_keys(self, *patterns: str, is_all: bool = False) -> tuple[KeyInfo, ...]:
        """Forget keys; their sessions end at once, and the minions may ask anew."""
        return self.change_keys("delete", patterns, is_all=is_all)

    def change_keys(
        self,
        action: KeyAction,
        patterns: Sequence[str],
        *,
        is_all: bool = False,
        is_dry: bool = False,
    ) -> tuple[KeyInfo, ...]:
        """Change keys, or with `is_dry` only tell which would be changed."""
        request = ChangeKeys(action=action, patterns=tuple(patterns), is_all=is_all, is_dry=is_dry)
        return self._ask(request, Keys).keys

    def create_token(
        self, ttl_s: float = 3600.0, uses: int = 1, id_pattern: str = "*"
    ) -> TokenMade:
        """Make a join token. Asked once only: a lost answer is not asked for again."""
        request = CreateToken(ttl_s=ttl_s, uses=uses, id_pattern=id_pattern)
        return self._ask(request, TokenMade, is_repeatable=False)

    def tokens(self) -> tuple[TokenInfo, ...]:
        """Give the tokens that are not long over, newest first."""
        return self._ask(ListTokens(), Tokens).tokens

    def revoke_token(self, token_id: str) -> TokenInfo:
        """End a token."""
        tokens = self._ask(RevokeToken(token_id=token_id), Tokens).tokens
        if len(tokens) != 1:
            raise unexpected(tokens)
        return tokens[0]

    # --- packages -------------------------------------------------------------------------------

    def keep_package(self, path: str) -> PackageKept:
        """Hand a package of `limpet-minion` to the master, for upgrades; gives what it is.

        One that the master has already is not sent again. Raises `UsageError` for a file that
        can't be read, `LimpetError` for one that is no such package.
        """
        with Handover(path) as handover:
            answer = self._ask(handover.offer(), PackageAnswer)
            while not isinstance(answer, PackageKept):
                answer = self._ask(handover.piece(answer), PackageAnswer)
        return answer

    def confirm_package(self, package: PackageInfo) -> PackageInfo:
        """Have the master read a package through that it keeps.

        Raises `UsageError` if it was damaged, or is gone.
        """
        answer = self._ask(OfferPackage(package.sha256, package.size), PackageAnswer)
        if not isinstance(answer, PackageKept):
            raise UsageError(
                f"the master's package of {package.name} {package.version} was damaged on its "
                "disk, and is gone: hand it over again with --package FILE"
            )
        return answer.package

    def packages(self) -> Packages:
        """Give the packages that the master keeps, the newest first."""
        return self._ask(ListPackages(), Packages)

    # --- the master -----------------------------------------------------------------------------

    def status(self) -> MasterStatus:
        """Give how the master is."""
        return self._ask(AskStatus(), MasterStatus)

    def rotate_master(
        self, *, is_fresh: bool = False, is_sure: bool = False, expected: str = ""
    ) -> Rotation:
        """Have the master take its next key into use; it starts itself afresh after the answer.

        `is_fresh` prepares other next keys first. Without `is_sure` nothing is done if some minions
        would not follow: the answer names them. `expected`: only if the next key is this one, in
        hex. Asked once only: a lost answer is not asked for again.
        """
        request = RotateMaster(is_fresh, is_sure, expected)
        return self._ask(request, Rotation, is_repeatable=False)

    def events(self, *, timeout_s: float | None = None) -> Iterator[Event]:
        """Follow events from now on, through restarts of the master (missing what came between).

        Ends when the timeout has passed; without one, only by an error or when it is closed.
        """
        deadline = float("inf") if timeout_s is None else time.monotonic() + timeout_s
        line = self._take_line()
        is_asked = False
        try:
            while time.monotonic() < deadline:
                try:
                    if not is_asked:
                        if not line.open(deadline):
                            continue
                        line.ask(WatchEvents())
                        is_asked = True
                    reply = line.receive(min(deadline, time.monotonic() + ANSWER_S))
                    raise_refusal(reply)
                    if reply is None:
                        line.probe()
                    line.on_answered()
                except ConnectionLost as lost:
                    is_asked = False
                    line.on_lost(lost)
                    continue
                if isinstance(reply, Event):
                    yield reply
                elif reply is not None:
                    raise unexpected(reply)
        finally:
            line.close()
            self._was_reached |= line.was_reached

    # --- inside ---------------------------------------------------------------------------------

    def _follow(self, request: RunJob | WatchJob, timeout_s: float | None) -> Following:
        return Following(self._take_line(), request, on_over=self._give_back, timeout_s=timeout_s)

    def _take_line(self) -> Line:
        line, self._idle = self._idle, None
        if line is None:
            line = Line(
                self._path,
                first_patience_s=self._first_patience_s,
                patience_s=self._patience_s,
                on_notice=self._on_notice,
                was_reached=self._was_reached,
            )
        return line

    def _give_back(self, line: Line) -> None:
        self._was_reached |= line.was_reached
        if self._idle is None:
            self._idle = line
        else:
            line.close()

    def _ask(self, request: Request, expected: type[R], *, is_repeatable: bool = True) -> R:
        """Ask a question that is answered by one reply."""
        began = time.monotonic()
        deadline = began + max(ANSWER_S, self._patience_s)
        line = self._take_line()
        is_sent = False
        try:
            while time.monotonic() < deadline:
                try:
                    if not line.open(deadline):
                        continue
                    is_sent = True
                    line.ask(request)
                    reply = line.receive(min(deadline, time.monotonic() + ANSWER_S))
                    while isinstance(reply, Remark):  # the answer takes a while, and is on its way
                        line.on_notice(reply.text)
                        deadline = max(deadline, time.monotonic() + ANSWER_S)
                        reply = line.receive(min(deadline, time.monotonic() + ANSWER_S))
                    if reply is None:
                        raise ConnectionLost("the master does not answer", is_silence=True)
                    raise_refusal(reply)
                except ConnectionLost as lost:
                    if is_sent and not is_repeatable:
                        raise MasterUnreachable(
                            f"{lost}; whether it was done is not known: look before asking again"
                        ) from lost
                    line.on_lost(lost)
                    continue
                line.on_answered()
                if not isinstance(reply, expected):
                    raise unexpected(reply)
                self._give_back(line)
                return reply
        except BaseException:
            line.close()
            raise
        line.close()
        raise Stalled("the master's answer", time.monotonic() - began)


def _to_the_end(following: Following) -> JobResult:
    with following:
        following.wait_stored()
        for _ in following:
            pass
        return following.result()
