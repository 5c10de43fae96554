"""A roll-out goes batch by batch, and stops where too many failed."""

import pytest

from limpet.master.client.results import MinionAnswer
from limpet.master.commands.upgrade import outcome_of
from limpet.master.upgrading.rollout import TARGET_BYTES_MAX, Outcome, Rollout

NAMES = [f"web{number}" for number in range(1, 8)]


def test_batches_follow_one_another_until_all_had_their_turn() -> None:
    rollout = Rollout(NAMES, batch_size=3, failures_max=0)
    assert rollout.next_batch() == ("web1", "web2", "web3")
    assert rollout.next_batch() == ("web4", "web5", "web6")
    assert rollout.next_batch() == ("web7",)
    assert rollout.next_batch() == ()


@pytest.mark.parametrize("verdict", ["failed", "rolled back", "no result"])
def test_no_batch_begins_once_more_failed_than_may(verdict: str) -> None:
    rollout = Rollout(NAMES, batch_size=2, failures_max=1)
    rollout.next_batch()
    rollout.note("web1", Outcome(verdict))  # type: ignore[arg-type]
    rollout.note("web2", Outcome("upgraded"))
    assert rollout.next_batch() == ("web3", "web4")
    rollout.note("web3", Outcome(verdict))  # type: ignore[arg-type]
    rollout.note("web4", Outcome("offline"))
    assert rollout.is_stopped
    assert rollout.next_batch() == ()
    assert rollout.counts() == {"upgraded": 1, verdict: 2, "offline": 1, "not tried": 3}


def test_what_is_told_later_corrects_what_was_told_first() -> None:
    rollout = Rollout(["web1"], batch_size=1, failures_max=0)
    rollout.next_batch()
    rollout.note("web1", Outcome("no result"))
    rollout.note("web1", Outcome("rolled back"))
    assert rollout.counts() == {"rolled back": 1}


def test_a_batch_is_no_larger_than_a_target_may_be() -> None:
    long = [f"{'x' * 100}{number}" for number in range(100)]
    rollout = Rollout(long, batch_size=100, failures_max=0)
    seen: list[str] = []
    while batch := rollout.next_batch():
        assert len(",".join(batch)) <= TARGET_BYTES_MAX
        seen += batch
    assert seen == long


def answer(status: str, *, value: object = None, error: str = "") -> MinionAnswer:
    return MinionAnswer(
        minion="web1",
        status=status,  # type: ignore[arg-type]
        since_s=0.0,
        error=error,
        retcode=0,
        value=value,
        has_value=value is not None,
        started_s=0.0,
        duration_s=0.0,
        is_cut=False,
    )


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        (answer("ok", value={"old": "1", "new": "2", "seconds": 4.5}), "upgraded"),
        (answer("ok", value={"old": "2", "new": "2", "seconds": 0.0}), "already there"),
        (answer("failed", error="rolled back to 1: it ended 3 times"), "rolled back"),
        (answer("failed", error="no room for the new version"), "failed"),
        (answer("refused", error="no function limpet.upgrade"), "failed"),
        (answer("interrupted"), "no result"),
        (answer("offline"), "offline"),
        (answer("expired"), "offline"),
        (answer("lost"), "no result"),
        (answer("running"), "no result"),
    ],
)
def test_an_answer_has_a_verdict(given: MinionAnswer, verdict: str) -> None:
    assert outcome_of(given, "jid").verdict == verdict


def test_where_a_host_lost_power_it_is_told_how_to_learn_the_end() -> None:
    told = outcome_of(answer("interrupted", error="the host was restarted"), "jid").error
    assert told.endswith("limpet run web1 limpet.last_upgrade")
