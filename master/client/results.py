"""What is known of a job: one answer for each targeted minion, and what it all amounts to."""

from typing import Any, Final

import msgspec

from limpet.common.control.replies import FINAL, JobStored, MinionResult, Status
from limpet.common.errors import ExitCode
from limpet.common.wire.counting import VALUES_MAX, holds_too_many_values

_FAILURES = frozenset(("failed", "refused", "interrupted", "cancelled"))


class MinionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One minion's part of a job."""

    minion: str
    status: Status
    """`ok failed queued running offline lost expired refused interrupted cancelled`."""
    since_s: float
    """Since when, as seconds since 1970; for `offline`: when it was last heard of."""
    error: str
    """One line for people where the status is not `ok`; may be empty."""
    retcode: int
    value: Any
    """What the function returned; None also where there is no return, see `has_value`."""
    has_value: bool
    started_s: float
    duration_s: float
    is_cut: bool
    """The return was too large, and carries a mark where it was cut."""

    @property
    def is_final(self) -> bool:
        """Say whether nothing more is expected (`lost` may still be corrected)."""
        return self.status in FINAL


class JobOutput(msgspec.Struct, frozen=True):
    """A piece of live output; `dropped_bytes` were lost before it."""

    minion: str
    data: bytes
    dropped_bytes: int


class JobResult(msgspec.Struct, frozen=True, kw_only=True):
    """A job and what is known of it now."""

    jid: str
    function: str
    target: str
    user: str
    created_s: float
    minions: dict[str, MinionAnswer]
    """By minion id, sorted; every targeted minion is there, whatever its status."""
    is_ended: bool
    """Every minion has a final status."""

    @property
    def exit_code(self) -> ExitCode:
        """Give the exit code of the command line: 1 wins over 4, 4 over 0."""
        return exit_code(self.minions.values())

    @property
    def returns(self) -> dict[str, Any]:
        """Give the returned values of the minions that have one, as Salt's client does."""
        return {name: each.value for name, each in self.minions.items() if each.has_value}

    @property
    def unanswered(self) -> list[MinionAnswer]:
        """Give the minions without a result: `queued`, `running`, `offline`, `lost`, `expired`."""
        return [
            each
            for each in self.minions.values()
            if each.status != "ok" and each.status not in _FAILURES
        ]


def exit_code(answers: Any) -> ExitCode:  # noqa: ANN401 - an iterable of MinionAnswer
    """Give the exit code that the answers amount to."""
    statuses = {each.status for each in answers}
    if statuses & _FAILURES:
        return ExitCode.FAILED
    return ExitCode.NO_RESULT if statuses - {"ok"} else ExitCode.OK


_decode: Final = msgspec.msgpack.Decoder().decode


def answer_of(result: MinionResult) -> MinionAnswer:
    """Read one result of the master. A body that can't be read is said to be so, never raised."""
    value: Any = None
    error = result.error
    has_value = result.body is not None and result.body != b""
    if has_value and result.body is not None:
        trouble = ""
        if holds_too_many_values(result.body):
            trouble = f"it holds more than {VALUES_MAX:,} values"
        else:
            try:
                value = _decode(result.body)
            except (msgspec.DecodeError, ValueError, TypeError, RecursionError) as broken:
                trouble = str(broken)
        if trouble:
            has_value = False
            note = f"its return of {len(result.body)} bytes can't be read: {trouble}"
            error = f"{error}; {note}" if error else note
    return MinionAnswer(
        minion=result.minion,
        status=result.status,
        since_s=result.since_s,
        error=error,
        retcode=result.retcode,
        value=value,
        has_value=has_value,
        started_s=result.started_s,
        duration_s=result.duration_s,
        is_cut=result.is_cut,
    )


class ResultTable:
    """Gathers replies about one job and tells what is new in each; nothing is told twice."""

    def __init__(self) -> None:
        self._stored: JobStored | None = None
        self._raw: dict[str, MinionResult] = {}
        self._answers: dict[str, MinionAnswer] = {}
        self.is_ended = False

    @property
    def jid(self) -> str | None:
        """Give the job's id once it is known."""
        return None if self._stored is None else self._stored.jid

    def on_stored(self, stored: JobStored) -> list[MinionAnswer]:
        """Take the whole state of the job; give what differs from what was known."""
        self._stored = stored
        self.is_ended = stored.is_ended
        return [answer for result in stored.results for answer in self.on_result(result)]

    def on_result(self, result: MinionResult) -> list[MinionAnswer]:
        """Take one minion's state; give it if it is new."""
        known = self._raw.get(result.minion)
        if known == result:
            return []
        if known is not None and _goes_back(known, result):
            return []
        self._raw[result.minion] = result
        answer = answer_of(result)
        self._answers[result.minion] = answer
        return [answer]

    def result(self) -> JobResult:
        """Give what is known now. Not to be called before the job is stored."""
        assert self._stored is not None
        return JobResult(
            jid=self._stored.jid,
            function=self._stored.function,
            target=self._stored.target,
            user=self._stored.user,
            created_s=self._stored.created_s,
            minions=dict(sorted(self._answers.items())),
            is_ended=self.is_ended,
        )


def _goes_back(known: MinionResult, result: MinionResult) -> bool:
    """Say whether the news is older than what is known: a result never turns into `running`.

    `lost`, `offline` and `expired` may be corrected. A body that comes late completes a result.
    """
    if known.status in ("ok", *_FAILURES):
        return result.status != known.status or result.body in (None, known.body)
    return False
