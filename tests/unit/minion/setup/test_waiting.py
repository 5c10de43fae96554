"""What is said of a minion that is not READY."""

import time

import pytest

from limpet.common.messages.refusals import with_clock
from limpet.minion.sessions.states import Loss, State
from limpet.minion.setup.waiting import Now, explain

PRINT = "a1b2:c3d4"


def told(state: str, reason: str, *, has_token: bool = False) -> str:
    now = Now(7, state, reason, time.time(), "0.2.0", "web1", "192.0.2.1")
    return "; ".join(explain(now, has_token=has_token, fingerprint=PRINT))


@pytest.mark.parametrize(
    "state, reason, has_token, wanted",
    [
        ("pending", "waits", False, ["limpet keys accept web1", PRINT, "needs nothing here"]),
        ("denied", "cloned", False, ["another host uses the same key"]),
        ("denied", "rejected", False, ["was rejected", "limpet keys accept web1"]),
        ("denied", "protocol", False, ["no protocol in common", "upgrade the older side"]),
        ("denied", "stopping", False, ["denies: stopping"]),
        ("denied", "refused", True, ["limpet token list", PRINT, "under Conflicts"]),
        ("denied", "refused", False, ["refuses the key of web1", PRINT]),
        ("backoff", Loss.UNRESOLVED.value, True, ["the name has no address"]),
        ("backoff", Loss.REFUSED.value, True, ["nobody listens at that port"]),
        ("backoff", Loss.BEATS_SILENT.value, True, ["beats_silent", "limpet doctor"]),
        ("greeting", "", True, ["the minion is greeting"]),
    ],
)
def test_each_state_comes_with_what_to_do(
    state: str, reason: str, has_token: bool, wanted: list[str]
) -> None:
    text = told(state, reason, has_token=has_token)
    for words in wanted:
        assert words in text


def test_every_state_and_every_loss_is_explained() -> None:
    for state in State:
        for reason in ("", *(loss.value for loss in Loss)):
            assert len(told(state.value, reason)) > 20


@pytest.mark.parametrize(
    "ahead_s, is_clock", [(-3600, True), (3600, True), (-60, False), (60, False)]
)
def test_a_refusal_is_the_clocks_fault_only_where_it_is_far_off(
    ahead_s: float, is_clock: bool
) -> None:
    reason = with_clock("refused", time.time() - ahead_s)
    assert ("set the clock" in told("denied", reason, has_token=True)) is is_clock
    assert "set the clock" not in told("denied", reason, has_token=False)
