"""Which version the guard goes back to, when one upgrade comes upon another."""

from pathlib import Path

from msgspec.structs import replace

from limpet.minion.upgrading.guarding import record_of_guard
from limpet.minion.upgrading.record import Record

OLD, BETWEEN, NEW = "1.0-aaaaaaaaaaaa", "1.5-cccccccccccc", "2.0-bbbbbbbbbbbb"


def guard(old: str, new: str, under_way: Record | None = None, kept: str = "") -> Record:
    return record_of_guard(
        old, new, under_way, kept=kept, previous=Path("/previous.deb"), ready_timeout_s=60.0
    )


def test_the_version_that_runs_is_the_one_to_go_back_to() -> None:
    record = guard(OLD, NEW, kept="1.0")
    assert (record.kind, record.phase, record.old, record.new) == ("guard", "prepared", OLD, NEW)
    assert record.previous == "/previous.deb"
    assert guard(OLD, NEW, kept="0.9").previous == ""


def test_what_was_prepared_is_begun() -> None:
    begun = guard(OLD, NEW, under_way=guard(OLD, NEW))
    assert (begun.old, begun.new) == (OLD, NEW)


def test_a_version_that_never_proved_itself_is_not_gone_back_to() -> None:
    first = replace(guard(OLD, BETWEEN), phase="proving")
    prepared = guard(BETWEEN, NEW, under_way=first)
    assert (prepared.old, prepared.new) == (OLD, NEW)
    begun = guard(BETWEEN, NEW, under_way=prepared)
    assert (begun.old, begun.new) == (OLD, NEW)
