"""The judgement on a round: what passes, and that each broken promise is called by its name."""

import pytest

from limpet_lab.fleet import Answer, Job, Known
from support.rounds.reckoning import Circumstances, Verdicts, Work, judge

CALM = Circumstances()
SHORT = Work("n1", "short", "JID1")
GOOD = ["n1 begun", "n1 done"]


def judged(
    status: str = "ok",
    *,
    value: object = "said n1",
    error: str = "",
    ledger: list[str] = GOOD,
    was: Circumstances = CALM,
    work: Work = SHORT,
    is_known: bool = True,
) -> Verdicts:
    known = {"JID1": Known(Job("JID1", {"web1": Answer(status, value, error)}), True)}
    return judge([work], known if is_known else {}, {"web1": ledger}, {"web1": was})


def test_a_job_that_ran_once_and_said_so_is_good() -> None:
    assert judged().all == []


@pytest.mark.parametrize(
    ("status", "ledger", "was"),
    [
        ("interrupted", ["n1 begun"], Circumstances(may_end_jobs=True)),
        ("interrupted", [], Circumstances(may_end_jobs=True)),
        ("failed", ["n1 begun"], Circumstances(was_full=True)),
        ("refused", [], Circumstances(was_full=True)),
    ],
)
def test_what_a_fault_explains_is_good(status: str, ledger: list[str], was: Circumstances) -> None:
    error = "tee: No space left on device" if was.was_full else ""
    assert judged(status, ledger=ledger, was=was, error=error, value=None).all == []


@pytest.mark.parametrize(
    ("status", "ledger", "was"),
    [
        ("ok", [], CALM),
        ("ok", ["n1 begun"], CALM),
        ("interrupted", ["n1 begun"], CALM),
        ("interrupted", ["n1 begun"], Circumstances(was_away=True)),
        ("failed", ["n1 begun"], CALM),
        ("failed", ["n1 begun"], Circumstances(was_full=True)),
        ("running", ["n1 begun"], Circumstances(may_end_jobs=True)),
        ("lost", GOOD, Circumstances(may_end_jobs=True)),
        ("expired", [], Circumstances(was_away=True)),
        ("offline", [], Circumstances(was_away=True)),
    ],
)
def test_a_status_that_nothing_explains_is_wrong(
    status: str, ledger: list[str], was: Circumstances
) -> None:
    found = judged(status, ledger=ledger, was=was)
    assert (len(found.wrong), found.lost, found.twice) == (1, [], []), found


def test_an_answer_of_another_job_is_wrong() -> None:
    assert len(judged(value="said n2").wrong) == 1


def test_a_job_that_began_twice_is_named_whatever_its_status() -> None:
    ledger = ["n1 begun", "n1 begun", "n1 done"]
    assert judged(ledger=ledger).twice == ["n1 (JID1) began 2 times on web1"]
    unknown = Work("n1", "short", why_unknown="no answer")
    assert len(judged(ledger=ledger, work=unknown).twice) == 1
    earlier = ["r1n5 begun", "r1n5 done", "r1n5 begun"]
    assert len(judged(ledger=[*GOOD, *earlier]).twice) == 1


def test_an_acknowledged_job_that_the_master_has_not_is_lost() -> None:
    assert len(judged(is_known=False).lost) == 1


def test_a_job_whose_host_is_missing_is_lost() -> None:
    known = {"JID1": Known(Job("JID1", {}), True)}
    assert len(judge([SHORT], known, {"web1": GOOD}, {"web1": CALM}).lost) == 1


def test_a_job_that_nobody_acknowledged_may_be_anywhere_once() -> None:
    unknown = Work("n1", "short", why_unknown="no answer")
    assert judged(work=unknown, is_known=False, ledger=[]).all == []
    assert judged(work=unknown, is_known=False).all == []


def test_a_ping_is_answered_unless_somebody_was_away() -> None:
    ping = Work("n1", "ping", "JID1")
    assert judged(work=ping, value=True).all == []
    assert judged("offline", work=ping, was=Circumstances(was_away=True)).all == []
    assert len(judged("offline", work=ping).wrong) == 1
    assert len(judged("queued", work=ping, was=Circumstances(was_away=True)).wrong) == 1
