"""What the minion keeps of its master, and what of it is held ready."""

import pytest

from limpet.minion.core.effects import Persist
from limpet.minion.core.notes import Notes
from limpet.minion.core.outbox import Outbox
from limpet.minion.core.settings import JobLimits
from limpet.minion.journal.records import Note


def test_what_is_asked_for_at_each_attempt_follows_the_notes() -> None:
    outbox = Outbox()
    notes = Notes({"fleet": "7"}, JobLimits(), outbox)
    assert (notes.fleet, notes.is_accepted) == (7, False)

    notes.keep(fleet="9", is_accepted="1")
    assert (notes.fleet, notes.is_accepted) == (9, True)
    assert outbox.take() == [
        Persist(outbox.last_commit, (Note("fleet", "9"), Note("is_accepted", "1")))
    ]

    notes.keep(fleet="9")
    assert outbox.take() == []


@pytest.mark.parametrize("text", ["", "0", "-3", "many", "9" * 17, "\u0667"])
def test_a_fleet_that_cannot_be_read_is_one_minion(text: str) -> None:
    assert Notes({"fleet": text}, JobLimits(), Outbox()).fleet == 1
