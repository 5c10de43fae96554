"""What the file server decides: turns, bounds, one reading for many, answers in their session."""

import hashlib

import msgspec
import pytest

from limpet.common.clock import Instant, Moment, to_micros
from limpet.common.identifiers import MinionKey
from limpet.common.messages.sources import BUSY, CHANGED, GONE, Ask, Offer, Piece, Pull
from limpet.master.core import effects as do
from limpet.master.core.settings import MasterSettings
from limpet.master.files.body_cache import BodyCache
from limpet.master.files.lanes import Lanes
from limpet.master.files.limits import SourceLimits
from limpet.master.files.reads import (
    Found,
    Listed,
    LookUp,
    NameEnvironments,
    PieceRead,
    ReadPiece,
    Result,
    WalkTree,
    Work,
)
from limpet.master.files.round_robin import RoundRobin
from support.master.master_bench import Bench, MinionOnBench

DIGEST = "ab" * 32
LISTING = b"x" * 300_000
LISTING_DIGEST = hashlib.sha256(LISTING).hexdigest()


class Served(Bench):
    """A bench that keeps what is to be read until the test says what was found."""

    def boot(self) -> None:
        self.work: list[do.ReadSource] = []
        super().boot()

    def _do(self, effect: do.Effect) -> None:
        if isinstance(effect, do.ReadSource):
            self.work.append(effect)
        super()._do(effect)

    def take_work(self) -> list[Work]:
        """Give what was handed out since the last look; it stays under way."""
        return [each.work for each in self.work]

    def done(self, result: Result, which: int = 0) -> None:
        """Let a piece of work be done."""
        effect = self.work.pop(which)
        self.carry_out(self.core.on_source_read(self.now, effect.ticket, result))


def bench(*names: str, **limits: int) -> tuple[Served, list[MinionOnBench]]:
    made = Served(names, settings=MasterSettings(sources=SourceLimits(**limits)))
    minions = [MinionOnBench(made, name) for name in names]
    for minion in minions:
        minion.connect()
    return made, minions


def ask(minion: MinionOnBench, request: int, name: str = "top.sls", **changes: object) -> None:
    message = Ask(minion.session, request, "file", "base", name, b"", "", 16384)
    minion.say(msgspec.structs.replace(message, **changes))


def pull(minion: MinionOnBench, request: int, name: str = "big", **changes: object) -> None:
    message = Pull(minion.session, request, "file", "base", name, DIGEST, 0, 16384)
    minion.say(msgspec.structs.replace(message, **changes))


def offers(minion: MinionOnBench) -> list[Offer]:
    return minion.bench.messages(minion.peer, Offer)  # type: ignore[return-value]


def pieces(minion: MinionOnBench) -> list[Piece]:
    return minion.bench.messages(minion.peer, Piece)  # type: ignore[return-value]


def test_a_question_is_read_and_answered() -> None:
    made, (web1,) = bench("web1")
    ask(web1, 5)
    assert made.take_work() == [LookUp("base", "top.sls", "", 16384)]
    made.done(Found(True, DIGEST, 3, b"\x80", b"abc"))
    assert offers(web1) == [Offer(web1.session, 5, True, DIGEST, 3, b"\x80", b"abc", True, "")]


def test_a_piece_is_read_and_answered_or_its_change_told() -> None:
    made, (web1,) = bench("web1")
    pull(web1, 1, offset=7)
    assert made.take_work() == [ReadPiece("base", "big", DIGEST, 7, 16384)]
    made.done(PieceRead(b"data"))
    pull(web1, 2)
    made.done(PieceRead(b"", CHANGED))
    assert pieces(web1) == [
        Piece(web1.session, 1, 7, b"data", ""),
        Piece(web1.session, 2, 0, b"", CHANGED),
    ]
    assert not made.reports, "that a file changes is nobody's fault"


def test_the_same_question_is_not_begun_twice_and_a_later_one_is() -> None:
    made, (web1,) = bench("web1")
    ask(web1, 1)
    ask(web1, 1)
    assert len(made.work) == 1
    made.done(Found(False))
    assert len(offers(web1)) == 1
    ask(web1, 1)
    made.done(Found(False))
    assert len(offers(web1)) == 2


def test_who_knows_of_the_line_is_told_of_it_where_it_asks_again() -> None:
    _, (web1, web2) = bench("web1", "web2", at_once=1)
    web2.protocol = 2
    web2.connect()
    for minion in (web1, web2):
        ask(minion, 1)
        ask(minion, 1)
        pull(minion, 2)
        pull(minion, 2)
    assert offers(web1) == []
    assert [(offer.problem, offer.total) for offer in offers(web2)] == [(BUSY, 3)]
    assert pieces(web2) == []


def test_one_question_for_each_file_is_read_at_a_time_until_its_digest_is_known() -> None:
    made, minions = bench("web1", "web2", "web3")
    for minion in minions:
        ask(minion, 1, "big")
    ask(minions[0], 2, "other")
    assert made.take_work() == [
        LookUp("base", "big", "", 16384),
        LookUp("base", "other", "", 16384),
    ]
    made.done(Found(True, DIGEST, 3))
    assert len(made.work) == 3, "its digest is known now: the others are read side by side"
    made.done(Found(True, DIGEST, 3), 1)
    made.done(Found(True, DIGEST, 3), 1)
    assert [len(offers(minion)) for minion in minions] == [1, 1, 1]


def test_pieces_of_a_known_file_are_read_ahead_and_of_another_body_one_at_a_time() -> None:
    names = [f"web{number}" for number in range(12)]
    made, minions = bench(*names, at_once=2)
    for minion in minions:
        pull(minion, 1)
    assert len(made.work) == 1
    made.done(PieceRead(b"x" * 16384))
    assert len(made.work) == 11, "those whose turn had come already, and so many ahead"
    made.done(PieceRead(b"", CHANGED))
    while made.work:
        made.done(PieceRead(b"", CHANGED))
    for minion in minions:
        pull(minion, 2)
    assert len(made.work) == 1, "what changed may have to be read whole"


def test_no_more_is_under_way_to_all_together_than_a_bound_and_who_speaks_makes_room() -> None:
    made, minions = bench("web1", "web2", "web3", "web4", flight_bytes_max=32_000)
    ask(minions[0], 1, "big")
    made.done(Found(True, DIGEST, 10**6))
    for minion in minions:
        pull(minion, 2)
    assert len(made.work) == 2
    made.done(PieceRead(b"x" * 16384))
    made.done(PieceRead(b"x" * 16384))
    assert made.work == [], "two pieces are under way"
    pull(minions[0], 3, offset=16384)
    assert len(made.work) == 1, "the first has its piece: another one's turn"
    made.done(PieceRead(b"x" * 16384))
    assert [len(pieces(minion)) for minion in minions] == [1, 1, 1, 0]
    made.advance(0.6)
    assert len(made.work) == 2, "who says nothing keeps the others waiting for a moment only"
    made.done(PieceRead(b"x" * 16384))
    made.done(PieceRead(b"x" * 16384))
    made.advance(0.6)
    assert made.core._sources.open_count == 0


def test_a_listing_for_many_goes_out_as_there_is_room() -> None:
    names = [f"web{number}" for number in range(6)]
    made, minions = bench(*names, flight_bytes_max=25_000)
    for minion in minions:
        ask(minion, 1, "", kind="listing")
    made.done(Listed(True, b"x" * 10_000, LISTING_DIGEST))
    made.done(Listed(True, b"x" * 10_000, LISTING_DIGEST))
    assert [len(offers(minion)) for minion in minions] == [1, 1, 1, 0, 0, 0]
    pull(minions[0], 2, "", kind="listing", digest=LISTING_DIGEST)
    assert pieces(minions[0]) == [], "its turn comes after the others'"
    assert [len(offers(minion)) for minion in minions] == [1, 1, 1, 1, 0, 0]
    made.advance(0.6)
    assert [len(offers(minion)) for minion in minions] == [1, 1, 1, 1, 1, 1]
    made.advance(0.6)
    assert len(pieces(minions[0])) == 1
    assert made.core._sources.open_count == 0


def test_slow_lines_cost_quick_ones_nothing() -> None:
    lanes: Lanes[int, str] = Lanes(100, 5.0, 2)
    slow = [MinionKey(f"{number:064x}") for number in range(4)]
    quick = MinionKey("f" * 64)
    now = Moment(Instant(2.0), 0.0)
    for key in slow:
        lanes.add(key, 7, is_slow=True)
    lanes.add(quick, 8)
    taken = []
    while (found := lanes.take(now)) is not None:
        taken.append(found[0])
        lanes.send(now, found[0], 60)
    assert taken == [quick, slow[0], slow[1]], "the slow ones' share is used up"
    assert lanes.next_deadline == 7.0
    lanes.done(quick)
    assert lanes.arrived(quick) == 2.0
    lanes.add(quick, 9)
    assert lanes.take(now) == (quick, 9), "the quick one goes on"
    assert lanes.take(now) is None
    assert lanes.drop(slow[3], lambda item: item == 7) == [7]
    assert lanes.take(Moment(Instant(7.0), 0.0)) == (slow[2], 7), "who reads nothing is let go"


def test_a_minion_changes_lanes_when_nothing_of_it_waits() -> None:
    lanes: Lanes[int, str] = Lanes(100, 5.0, 2)
    key, other = MinionKey("1" * 64), MinionKey("2" * 64)
    now = Moment(Instant(2.0), 0.0)
    lanes.add(key, 1, is_slow=True)
    lanes.add(key, 2)
    lanes.send(now, other, 100)  # the quick lane is full
    assert lanes.take(now) == (key, 1)
    assert lanes.flight_of(key).has_room(now), "it is in the slow one"
    assert lanes.take(now) == (key, 2)
    lanes.done(key)
    lanes.done(key)
    assert not lanes.flight_of(key).has_room(now)
    lanes.add(key, 3)
    assert lanes.take(now) is None
    lanes.arrived(other)
    assert lanes.take(now) == (key, 3)


def test_a_piece_that_was_long_under_way_puts_the_next_one_among_the_slow() -> None:
    made, (slow, quick, other) = bench("slow", "quick", "other", flight_bytes_max=16_000)
    ask(slow, 1, "big")
    made.done(Found(True, DIGEST, 10**6))
    pull(slow, 2)
    made.done(PieceRead(b"x" * 16384))
    made.advance(0.3)
    pull(slow, 3, offset=16384)
    assert len(made.work) == 1
    made.done(PieceRead(b"x" * 16384))
    pull(quick, 1)
    assert len(made.work) == 1, "what is under way to the slow one is not in its way"
    pull(other, 1)
    assert len(made.work) == 1, "what is under way to the quick one is"


def test_a_full_line_while_all_hands_are_busy_is_looked_at_when_one_is_free() -> None:
    made, (web1, web2) = bench("web1", "web2", at_once=1, flight_bytes_max=16_384)
    pull(web1, 1)
    pull(web2, 2, "other")
    assert len(made.work) == 1, "the line is full, and so are the hands"
    made.advance(1.0)  # no turn follows another for nothing
    made.done(PieceRead(b"x" * 16384))
    made.advance(1.0)
    made.done(PieceRead(b"x" * 16384))
    assert [len(pieces(minion)) for minion in (web1, web2)] == [1, 1]


def test_an_answer_that_waits_for_the_slow_line_holds_back_no_quick_one() -> None:
    made, (*slow, quick) = bench("slow1", "slow2", "slow3", "quick", flight_bytes_max=20_000)
    ask(slow[0], 1, "big")
    made.done(Found(True, DIGEST, 10**6))
    for minion in slow:
        pull(minion, 2, size_max=1000)
        made.done(PieceRead(b"x" * 1000))
    made.advance(0.3)
    for minion in slow:
        pull(minion, 3, offset=1000)
    for _ in range(2):
        made.done(PieceRead(b"x" * 16384))
    assert made.work == [], "the slow line is full, and a question of the third one waits"
    for minion in (slow[2], quick):
        ask(minion, 4, "", kind="listing")
        made.done(Listed(True, b"x" * 1000, LISTING_DIGEST))
    assert [len(offers(minion)) for minion in (slow[2], quick)] == [0, 1]
    made.advance(0.6)
    made.done(PieceRead(b"x" * 16384))
    assert [len(offers(minion)) for minion in (slow[2], quick)] == [1, 1]
    assert made.core._sources.open_count == 0


def test_one_that_asks_a_lot_delays_nobody_else() -> None:
    made, (greedy, modest) = bench("web1", "web2", at_once=2)
    for number in range(1, 60):
        ask(greedy, number, f"file-{number}")
    ask(modest, 1, "needed")
    assert len(made.work) == 2, "no more than there are threads"
    made.done(Found(False))
    assert LookUp("base", "needed", "", 16384) in made.take_work()


def test_over_the_bounds_the_answer_is_busy() -> None:
    made, (web1, web2) = bench("web1", "web2", open_of_one_max=3, open_max=5)
    for number in range(1, 5):
        ask(web1, number, f"file-{number}")
    assert [offer.problem for offer in offers(web1)] == [BUSY]
    for number in range(1, 4):
        pull(web2, number, f"file-{number}")
    assert [piece.problem for piece in pieces(web2)] == [BUSY]
    assert made.counts.count("sources_busy") == 2


def test_a_question_about_files_with_arguments_is_refused_and_not_kept() -> None:
    made, (web1,) = bench("web1")
    ask(web1, 1, arguments=b"x" * 100_000)
    (offer,) = offers(web1)
    assert "no arguments" in offer.problem
    assert made.take_work() == []


def test_what_was_asked_in_a_session_that_is_over_is_neither_read_nor_answered() -> None:
    made, (web1,) = bench("web1", at_once=1, open_of_one_max=3)
    for number in range(1, 4):
        ask(web1, number, f"file-{number}")
    old = web1.peer
    web1.connect()
    ask(web1, 1, "wanted")
    assert offers(web1) == [], "there is room: the old ones are forgotten"
    made.done(Found(True, DIGEST, 3, b"", b"abc"))
    assert made.messages(old, Offer) == []
    assert made.take_work() == [LookUp("base", "wanted", "", 16384)]
    made.done(Found(False))
    assert len(offers(web1)) == 1
    assert made.core._sources.open_count == 0


@pytest.mark.covers("B-47")
def test_a_key_that_is_not_accepted_any_more_gets_nothing() -> None:
    made, (web1,) = bench("web1")
    ask(web1, 1)
    web1.bench.carry_out(made.core.on_peer_gone(made.now, web1.peer))
    made.done(Found(True, DIGEST, 3, b"", b"abc"))
    assert offers(web1) == []
    ask(web1, 2)
    assert made.work == [], "a frame of a session that is over is not heard"


def test_who_asks_during_a_walk_has_the_result_of_the_next_one() -> None:
    made, minions = bench("web1", "web2", "web3")
    for minion in minions[:1]:
        ask(minion, 1, "", kind="listing")
    assert made.take_work() == [WalkTree("base")]
    for minion in minions[1:]:
        ask(minion, 1, "", kind="listing")
    assert made.take_work() == [WalkTree("base")], "one walk at a time"
    made.done(Listed(True, b"old", "01" * 32))
    assert [len(offers(minion)) for minion in minions] == [1, 0, 0]
    assert made.take_work() == [WalkTree("base")], "one walk for both"
    made.done(Listed(True, b"new", "02" * 32))
    assert [offers(minion)[0].body for minion in minions] == [b"old", b"new", b"new"]


def test_walks_for_a_fleet_leave_pauses_between_them() -> None:
    made, (web1, web2, web3) = bench("web1", "web2", "web3")
    ask(web1, 1, "", kind="listing")
    ask(web2, 1, "", kind="listing")
    made.advance(0.2)
    made.done(Listed(True, b"old", "01" * 32))
    assert made.work == [], "three times as long as the first one took"
    ask(web3, 1, "", kind="listing")
    made.advance(0.5)
    assert made.work == []
    made.advance(0.2)
    assert made.take_work() == [WalkTree("base")], "one walk for both"
    made.done(Listed(True, b"new", "02" * 32))
    assert [len(offers(minion)) for minion in (web1, web2, web3)] == [1, 1, 1]


def test_a_large_listing_is_kept_for_pulls_and_forgotten() -> None:
    made, (web1, web2) = bench("web1", "web2", cache_s=5)
    ask(web1, 1, "", kind="listing")
    made.done(Listed(True, LISTING, LISTING_DIGEST))
    (offer,) = offers(web1)
    assert (offer.has_body, offer.total, offer.digest) == (False, 300_000, LISTING_DIGEST)
    pull(web2, 1, "", kind="listing", digest=LISTING_DIGEST, offset=290_000)
    pull(web2, 2, "", kind="listing", digest=LISTING_DIGEST, offset=300_000)
    made.advance(5.1)
    pull(web2, 3, "", kind="listing", digest=LISTING_DIGEST)
    assert [(len(piece.data), piece.problem[:9]) for piece in pieces(web2)] == [
        (10_000, ""),
        (0, "a piece a"),
        (0, GONE),
    ]


def test_a_body_that_is_known_is_not_sent_again() -> None:
    made, (web1,) = bench("web1")
    ask(web1, 1, "", kind="environments", known="01" * 32)
    assert made.take_work() == [NameEnvironments()]
    made.done(Listed(True, b"\x91\xa4base", "01" * 32))
    assert not offers(web1)[0].has_body


def test_the_list_of_environments_tells_the_time_of_the_master() -> None:
    made, (web1,) = bench("web1")
    ask(web1, 1, "", kind="environments")
    made.done(Listed(True, b"\x91\xa4base", "01" * 32))
    told = msgspec.msgpack.decode(offers(web1)[0].attributes)
    assert told == {"clock": to_micros(made.now.wall)}


def test_what_can_not_be_served_is_told_to_the_minion_and_to_the_log() -> None:
    made, (web1,) = bench("web1")
    ask(web1, 1)
    made.done(Found(False, problem="salt://top.sls (base): cannot be read: Permission denied"))
    assert offers(web1)[0].problem.endswith("Permission denied")
    assert "web1 is not served: salt://top.sls" in made.reports[-1].text
    ask(web1, 2, "", kind="listing")
    made.done(Listed(False))
    assert (offers(web1)[1].is_found, offers(web1)[1].problem) == (False, "")


def test_turns_are_taken_minion_by_minion_and_so_many_at_once() -> None:
    one, two = MinionKey("1" * 64), MinionKey("2" * 64)
    turns: RoundRobin[int] = RoundRobin(2)
    for number in range(5):
        turns.add(one, number)
    turns.add(two, 10)
    assert [turns.take() for _ in range(4)] == [(one, 0), (two, 10), (one, 1), None]
    turns.done(one)
    assert turns.take() == (one, 2)
    assert turns.drop(one, lambda number: number == 4) == [4]
    turns.done(one)
    turns.done(two)
    assert [turns.take(), turns.take()] == [(one, 3), None]


def test_the_shelf_keeps_no_more_than_it_may() -> None:
    cache = BodyCache(bytes_max=10, keep_s=5.0)
    now = Moment(Instant(1.0), 0.0)
    cache.put(now, "a", "1", b"12345")
    cache.put(now, "b", "2", b"12345")
    assert cache.get(now, "a", "1") == b"12345"
    cache.put(now, "c", "3", b"1")
    assert cache.get(now, "b", "2") is None, "it was asked for longest ago"
    assert cache.held_bytes == 6
    later = Moment(Instant(7.0), 0.0)
    assert cache.next_deadline == 6.0
    cache.forget(later)
    assert (cache.held_bytes, cache.get(later, "a", "1")) == (0, None)
