"""A fleet at its master's port in one instant: it comes in at the pace of the port, and once."""

import pytest

from limpet.minion.sessions import backoff
from support.simulator.herd import Herd

NUMBER = 2_500
PACE = 200.0
"""Handshakes a second: a slow core, or one that others use as well."""
BACKLOG = 1_024


@pytest.mark.parametrize("fleet", [NUMBER, 0], ids=["known keys", "new keys"])
def test_each_costs_one_handshake_and_hardly_a_connection_more(fleet: int) -> None:
    came = Herd(NUMBER, fleet=fleet, backlog=BACKLOG, handshakes_a_second=PACE).run(60.0)

    assert came.inside == came.handshakes == NUMBER
    assert came.connections <= 1.2 * NUMBER
    assert came.ended_s <= 1.5 * NUMBER / PACE


def test_those_that_are_new_wait_for_the_small_backlog_and_ask_nowhere_else() -> None:
    came = Herd(NUMBER, fleet=0, backlog=128, handshakes_a_second=PACE).run(90.0)

    assert came.inside == NUMBER
    assert came.denied == 0
    assert came.connections <= 1.2 * NUMBER
    assert came.ended_s <= 2 * NUMBER / PACE


def test_without_a_token_each_asks_at_most_once_whether_its_key_is_known() -> None:
    herd = Herd(NUMBER, fleet=0, backlog=128, handshakes_a_second=PACE, has_tokens=False)
    came = herd.run(90.0)

    assert came.inside == NUMBER
    assert came.denied <= NUMBER


def test_with_less_patience_they_would_come_again_and_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backoff, "HANDSHAKE_MAX_S", 3.0)

    came = Herd(NUMBER, fleet=NUMBER, backlog=BACKLOG, handshakes_a_second=PACE).run(60.0)

    assert came.connections > 1.2 * NUMBER


def test_a_small_backlog_keeps_them_away_and_costs_the_master_nothing() -> None:
    came = Herd(NUMBER, fleet=NUMBER, backlog=64, handshakes_a_second=PACE).run(120.0)

    assert came.inside == came.handshakes == NUMBER
    assert came.connections <= 1.05 * NUMBER
