"""What has to hold after a round: pure judgement on what the master says and what the hosts did.

A job appends a line to its host's ledger when it begins and another when it is done. Whatever the
master says of it in the end has to fit these lines, and the faults of the round.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from limpet_lab.fleet import Known

FINAL = frozenset(
    ("ok", "failed", "offline", "lost", "expired", "refused", "interrupted", "cancelled")
)
NO_SPACE = ("No space left", "space", "full", "ENOSPC")
"""What the reason of a failure on a full disk must speak of."""

WorkKind = Literal["ping", "short", "long"]


@dataclass(frozen=True, slots=True)
class Work:
    """A job that was asked for."""

    number: str
    """Its own, as it stands in the ledgers."""
    kind: WorkKind
    jid: str = ""
    """Empty: nobody knows whether the master took it (its answer never came)."""
    why_unknown: str = ""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the round did to one host."""

    may_end_jobs: bool = False
    """It lost power or rebooted: what ran there may have no result."""
    was_full: bool = False
    was_away: bool = False
    """It could not be reached for a while, or the master could not."""


@dataclass(slots=True)
class Verdicts:
    """What was found wrong, by the promise that is broken."""

    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    stranded: list[str] = field(default_factory=list)
    slow: list[str] = field(default_factory=list)
    crashed: list[str] = field(default_factory=list)

    @property
    def all(self) -> list[str]:
        """Give all complaints."""
        return [
            f"{name}: {complaint}"
            for name in ("lost", "twice", "wrong", "stranded", "slow", "crashed")
            for complaint in getattr(self, name)
        ]


def judge(
    works: list[Work],
    known: dict[str, Known],
    ledgers: dict[str, list[str]],
    circumstances: dict[str, Circumstances],
) -> Verdicts:
    """Judge a round: jobs as the master knows them (by jid), and the hosts' ledgers (by host)."""
    found = Verdicts()
    jids = {work.number: work.jid for work in works}
    for host, ledger in ledgers.items():
        for line, times in Counter(ledger).items():
            number, _, what = line.partition(" ")
            if what == "begun" and times > 1:  # of this round or of one long ago
                jid = jids.get(number, "of an earlier round")
                found.twice.append(f"{number} ({jid}) began {times} times on {host}")
    for work in works:
        if not work.jid:
            continue
        if work.jid not in known:
            found.lost.append(f"{work.jid} ({work.number}): the master acknowledged it, has it not")
            continue
        answers = known[work.jid].job.minions
        for host in ledgers:
            if host not in answers:
                found.lost.append(f"{work.jid} ({work.number}): {host} is missing in it")
                continue
            answer = answers[host]
            trouble = _trouble(
                work, answer.status, str(answer.value), answer.error,
                begun=ledgers[host].count(f"{work.number} begun"),
                done=ledgers[host].count(f"{work.number} done"),
                was=circumstances[host],
            )  # fmt: skip
            if trouble:
                found.wrong.append(
                    f"{work.jid} ({work.number}) on {host} is {answer.status}, but {trouble}"
                    f" [error: {answer.error!r}, value: {str(answer.value)[:200]!r}]"
                )
    return found


def _trouble(
    work: Work, status: str, value: str, error: str,
    *, begun: int, done: int, was: Circumstances,
) -> str:  # fmt: skip
    """Say why a status can't be right; nothing if it can."""
    if status not in FINAL:
        return "that is no end"
    if work.kind == "ping":  # without --ttl: who is away is named, and that is all
        fits = status == "ok" or was.was_away or was.may_end_jobs
        return "" if fits else "nothing befell the host"
    match status:
        case "ok":
            if (begun, done) != (1, 1) or f"said {work.number}" not in value:
                return f"it began {begun} and ended {done} times"
        case "interrupted":
            if not was.may_end_jobs:
                return "the host did not go down"
        case "failed" | "refused":
            if was.was_full and any(word in error + value for word in NO_SPACE):
                return ""
            if status == "failed" and was.may_end_jobs and "signal" in (error + value).lower():
                return ""
            return "the host had room" if not was.was_full else "it does not say why"
        case _:
            return "the host came back long before the job's ttl was over"
    return ""
