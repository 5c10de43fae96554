"""Keys without a token: they wait, within bounds, for ever, and displace nobody."""

import pytest

from limpet.common.clock import to_seconds
from limpet.common.identifiers import MinionKey
from limpet.master.enrolment.key_table import KeyTable
from limpet.master.enrolment.pending_keys import PENDING_MAX, PENDING_PER_SOURCE_MAX, source_of
from limpet.master.store.operations import PutKey
from support.master.enrolment import EnrolmentBench, key_of

A, B, C = key_of(1), key_of(2), key_of(3)


@pytest.mark.covers("A2", "A12")
def test_a_key_waits_until_somebody_accepts_it_and_is_then_told_so() -> None:
    bench = EnrolmentBench()
    assert bench.ask(A, "web1") == "pending"
    assert bench.tags == ("key/web1/pending",)
    assert bench.last is not None
    assert bench.last.answer.text == "waits for `limpet keys accept web1`"
    change = bench.change("accept", "web1")
    assert [event.tag for event in change.events] == ["key/web1/accepted"]
    assert change.disconnect == ()
    assert bench.ask(A, "web1") == "accepted"


@pytest.mark.covers("A8")
def test_one_that_waits_for_days_costs_one_write_an_hour() -> None:
    bench = EnrolmentBench()
    writes = 0
    for _ in range(3 * 24 * 60):
        assert bench.ask(A, "web1") == "pending"
        assert bench.last is not None
        writes += len(bench.last.operations)
        bench.wait(60)
    assert 3 * 24 - 1 <= writes <= 3 * 24 + 1
    assert bench.shown() == [("web1", "pending")]


@pytest.mark.covers("R-3.10")
def test_one_that_has_not_asked_for_a_day_is_forgotten() -> None:
    bench = EnrolmentBench()
    bench.ask(A, "web1")
    bench.wait(86399)
    assert bench.shown() == [("web1", "pending")]
    bench.ask(A, "web1")
    bench.wait(86399)
    assert bench.shown() == [("web1", "pending")]
    bench.wait(601)
    assert bench.shown() == []
    assert bench.kept.keys == {}


@pytest.mark.covers("I13")
def test_one_that_asked_while_the_clock_was_far_ahead_is_forgotten_as_well() -> None:
    bench = EnrolmentBench()
    bench.wall_s += 365 * 86400
    bench.ask(A, "web1")
    bench.wall_s -= 365 * 86400
    bench.wait(601)
    assert bench.shown() == []


@pytest.mark.covers("R-3.10", "H11", "B-82")
def test_a_flood_fills_the_waiting_room_and_nothing_else() -> None:
    bench = EnrolmentBench()
    accepted = [key_of(number) for number in range(20)]
    for number, key in enumerate(accepted):
        bench.ask(key, f"web{number}", address=f"198.51.100.{number}")
    bench.change("accept", is_all=True)
    refused = 0
    for number in range(10_000):
        address = f"10.{number // 250 // 250}.{number // 250 % 250}.{number % 250}"
        answer = bench.ask(key_of(100 + number), f"x{number}", address=address)
        if answer == "refused":
            assert bench.reasons == ("pending_full",)
            refused += 1
    assert refused == 10_000 - PENDING_MAX
    assert len(bench.kept.keys) == PENDING_MAX + 20
    assert bench.authority.fleet == 20
    assert all(bench.ask(key, "any") == "accepted" for key in accepted)
    assert bench.ask(key_of(100), "x0") == "pending"
    for _ in range(24):
        bench.wait(3600)
    assert bench.ask(key_of(50), "late", address="203.0.113.1") == "pending"


@pytest.mark.covers("R-3.10", "B-82")
@pytest.mark.parametrize(
    "addresses",
    [
        ["192.0.2.1"],
        ["192.0.2.1", "::ffff:192.0.2.1", "::FFFF:192.0.2.1"],
        [f"2001:db8:0:7::{number:x}" for number in range(1, 9)],
        ["2001:db8:0:7:1:2:3:4", "2001:0db8::7:0:0:0:9", "2001:db8:0:7::%eth0"],
    ],
)
def test_one_source_has_few_places(addresses: list[str]) -> None:
    bench = EnrolmentBench()
    answers = [
        bench.ask(key_of(number), f"x{number}", address=addresses[number % len(addresses)])
        for number in range(8)
    ]
    assert answers.count("pending") == PENDING_PER_SOURCE_MAX
    assert bench.reasons == ("pending_dup",)
    assert bench.ask(key_of(50), "other", address="2001:db8:0:8::1") == "pending"
    bench.change("accept", "x0")
    assert bench.ask(key_of(7), "x7", address=addresses[0]) == "pending"


def test_this_hosts_own_minions_have_no_such_limit() -> None:
    bench = EnrolmentBench()
    for number, address in enumerate(["127.0.0.1", "::1", "127.0.0.9", "::ffff:127.0.0.1"] * 5):
        assert bench.ask(key_of(number), f"x{number}", address=address) == "pending"


@pytest.mark.parametrize(
    "address, source",
    [
        ("192.0.2.1", "192.0.2.1"),
        ("127.0.0.1", ""),
        ("::1", ""),
        ("::ffff:127.0.0.1", ""),
        ("", ""),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:DB8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::2", "::/64"),
    ],
)
def test_what_one_source_is(address: str, source: str) -> None:
    assert source_of(address) == source


@pytest.mark.covers("B-82")
def test_one_key_with_many_ids_is_one_row() -> None:
    bench = EnrolmentBench()
    for number in range(100):
        assert bench.ask(A, f"x{number}") == "pending"
    assert bench.shown() == [("x99", "pending")]


@pytest.mark.covers("H1", "H5", "B-82")
def test_a_second_key_for_an_id_is_a_conflict_and_the_first_stays() -> None:
    bench = EnrolmentBench()
    bench.ask(A, "web1", address="192.0.2.1")
    bench.change("accept", "web1")
    for number in range(10, 110):
        address = f"198.51.100.{number}"
        assert bench.ask(key_of(number), "web1", address=address) == "pending"
    assert bench.last is not None
    assert bench.last.events[0].tag == "key/web1/conflict"
    assert "192.0.2.1" in bench.last.reports[0].text
    assert "198.51.100.109" in bench.last.reports[0].text
    assert bench.shown() == [("web1", "accepted")] + [("web1", "conflict")] * 100
    assert bench.ask(A, "web1") == "accepted"


@pytest.mark.covers("H8")
def test_an_accepted_key_keeps_its_id_whatever_it_calls_itself() -> None:
    bench = EnrolmentBench()
    bench.ask(A, "web1")
    bench.change("accept", "web1")
    assert bench.ask(A, "web2") == "accepted"
    assert bench.shown() == [("web1", "accepted")]
    assert bench.last is not None
    assert "asks as web2" in bench.last.reports[0].text


@pytest.mark.covers("B-30", "B-31", "B-33", "B-82")
@pytest.mark.parametrize("minion", ["a..b", "", "../x", "x" * 129, "a\nb", "$(x)", "\u0430dmin"])
def test_an_id_that_is_none_is_refused(minion: str) -> None:
    """The decoder turns most away already; the authority does not count on it."""
    bench = EnrolmentBench()
    assert bench.ask(A, minion) == "refused"
    assert bench.reasons == ("bad_id",)
    assert bench.last is not None
    assert bench.last.reports[0].text.isprintable()
    assert bench.kept.keys == {}


@pytest.mark.covers("B-33")
def test_ids_that_differ_in_case_only_are_one() -> None:
    bench = EnrolmentBench()
    bench.ask(A, "web1")
    bench.ask(B, "WEB1", address="192.0.2.2")
    assert bench.shown() == [("web1", "conflict"), ("web1", "conflict")]


@pytest.mark.parametrize("number", [0, 1, 2**255 - 20, 2**255 + 9])
def test_a_key_that_is_nobodys_alone_is_refused(number: int) -> None:
    bench = EnrolmentBench()
    assert bench.ask(MinionKey(number.to_bytes(32, "little").hex()), "web1") == "refused"
    assert bench.reasons == ("weak_key",)


@pytest.mark.covers("A16")
@pytest.mark.parametrize(
    "protocol, answer", [((3, 9), "refused"), ((0, 0), "refused"), ((0, 9), "pending")]
)
def test_a_release_too_far_away_is_told_so(protocol: tuple[int, int], answer: str) -> None:
    bench = EnrolmentBench()
    assert bench.ask(A, "web1", protocol=protocol) == answer
    assert bench.last is not None
    assert ("protocol" in bench.last.answer.text) == (answer == "refused")


@pytest.mark.covers("E1")
def test_the_next_question_is_asked_after_fifteen_seconds_more_or_less() -> None:
    bench = EnrolmentBench()
    pauses = set()
    for _ in range(200):
        bench.ask(A, "web1")
        assert bench.last is not None
        pauses.add(to_seconds(bench.last.answer.retry))
    assert 11.25 <= min(pauses) < 12.5
    assert 17.5 < max(pauses) <= 18.75
    assert len(pauses) > 150


def test_what_a_minion_reports_is_kept_with_its_key() -> None:
    bench = EnrolmentBench()
    bench.ask(A, "web1")
    bench.change("accept", "web1")
    row = bench.authority.row(A)
    assert row is not None
    from msgspec.structs import replace

    put = bench.authority.replace_row(replace(row, version="0.1.0", was_ready=True))
    assert put == PutKey(replace(row, version="0.1.0", was_ready=True))
    assert bench.authority.row_of(row.minion) == put.row
    assert bench.authority.accepted_rows() == (put.row,)
    with pytest.raises(AssertionError):
        bench.authority.replace_row(replace(row, state="rejected"))


def test_who_asked_longest_ago_makes_room_and_who_still_asks_does_not() -> None:
    bench = EnrolmentBench()
    for number in range(PENDING_MAX):
        bench.ask(key_of(number), f"x{number}", address=f"10.2.{number // 250}.{number % 250}")
    bench.wall_s += 80_000
    for number in range(1, PENDING_MAX):  # all but the first ask again
        bench.ask(key_of(number), f"x{number}", address=f"10.2.{number // 250}.{number % 250}")
    assert bench.ask(key_of(5_000), "late", address="203.0.113.1") == "refused"
    bench.wall_s += 10_000
    assert bench.ask(key_of(5_000), "late", address="203.0.113.1") == "pending"
    assert bench.ask(key_of(5_001), "later", address="203.0.113.2") == "refused"
    assert len(bench.kept.keys) == PENDING_MAX


def test_after_a_restart_it_is_known_who_asked_longest_ago() -> None:
    bench = EnrolmentBench()
    for number in range(3):
        bench.wall_s += 10
        bench.ask(key_of(number), f"x{number}", address=f"10.2.0.{number}")
    bench.wall_s += 4_000  # noted down anew only once an hour
    bench.ask(key_of(0), "x0", address="10.2.0.0")
    table = KeyTable(bench.kept.keys.values())
    silent = table.longest_silent()
    assert silent is not None
    assert silent.minion == "x1"
