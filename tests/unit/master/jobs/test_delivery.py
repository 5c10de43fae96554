"""One delivery: its arrows, and that its row says all of it."""

import pytest

from limpet.common.control.replies import FINAL
from limpet.common.identifiers import JobId, MinionId, MinionKey
from limpet.common.messages.jobs import Outcome, Return
from limpet.master.jobs.delivery import ARROWS, OPEN, SHOWN, Delivery, result_of, shown_status

JID = JobId("01HF7YAT000000000000000000")


def delivery(state: str = "created") -> Delivery:
    made = Delivery(JID, MinionId("web1"), MinionKey("k" * 64), expires_s=100.0, since_s=1.0)
    if state != "created":
        made.bind("j" * 32, 2.0)
        made.state, made.is_open = state, state in OPEN
    return made


def returned(outcome: Outcome) -> Return:
    return Return(1, JID, outcome, 3, "why", 5_000_000, 250_000, b"\xc3", "", 0, False)


def test_open_words_are_shown_as_open_and_all_others_as_final() -> None:
    assert {word for word in SHOWN if shown_status(word) not in FINAL} == OPEN
    assert all(after <= frozenset(SHOWN) for after in ARROWS.values())


@pytest.mark.parametrize("state", ["bound", "accepted", "started", "lost", "offline", "expired"])
@pytest.mark.parametrize(
    "outcome", ["ok", "failed", "interrupted", "cancelled", "refused", "expired"]
)
def test_the_first_return_ends_it_whatever_was_known(state: str, outcome: Outcome) -> None:
    made = delivery(state)
    assert made.on_return(returned(outcome), 9.0)
    assert (made.state, made.since_s, made.retcode, made.error) == (outcome, 9.0, 3, "why")
    assert (made.started_s, made.duration_s, made.body_bytes) == (5.0, 0.25, 1)
    assert not made.on_return(returned("ok"), 10.0)
    assert not made.on_accepted(10.0)
    assert not made.on_started(10.0, 10.0)
    assert not made.on_cancelled(10.0)
    assert not made.want_cancel()
    assert made.state == outcome


def test_what_was_never_sent_is_not_corrected() -> None:
    made = delivery()
    made.settle("offline", "", 3.0)
    assert not made.is_correctable
    assert not made.on_return(returned("ok"), 4.0)
    assert made.state == "offline"


def test_binding_shows_nothing_new_to_the_user() -> None:
    made = delivery()
    before = made.result()
    made.bind("j" * 32, 7.0)
    assert made.result() == before


def test_a_row_says_all_of_it() -> None:
    made = delivery("started")
    made.want_cancel()
    made.on_return(returned("failed"), 9.0)
    again = Delivery.from_row(made.row())
    assert again.row() == made.row()
    assert again.result(b"x") == made.result(b"x") == result_of(made.row(), b"x")
    assert again.cancel == "answered"


def test_a_cancel_is_wanted_once() -> None:
    made = delivery("bound")
    assert made.want_cancel()
    assert not made.want_cancel()
    assert made.on_cancel_answered()
    assert not made.on_cancel_answered()
    assert not delivery().want_cancel()
