"""Who is given which pillar, in which order, and what becomes of questions in the end."""

from typing import Any

import msgspec
import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from limpet.common.identifiers import MinionId
from limpet.common.messages.sources import (
    BUSY,
    GONE,
    SOURCE_INLINE_BYTES_MAX,
    Ask,
    Offer,
    Piece,
    Pull,
)
from limpet.master.core import effects as do
from limpet.master.core.settings import MasterSettings
from limpet.master.pillar.limits import PillarLimits
from support.master.master_bench import Bench, MinionOnBench, ready


def ask(minion: MinionOnBench, request: int, arguments: bytes = b"x", body_max: int = 10**6) -> Ask:
    return Ask(minion.session, request, "pillar", "base", "", arguments, "", body_max)


def pull(minion: MinionOnBench, request: int, digest: str, offset: int = 0) -> Pull:
    return Pull(minion.session, request, "pillar", "base", "", digest, offset, 512 * 1024)


def offers(bench: Bench, minion: MinionOnBench) -> list[Offer]:
    return [each for each in bench.messages(minion.peer, Offer) if isinstance(each, Offer)]


def test_a_minion_is_given_its_own_pillar_whatever_it_says() -> None:
    bench, (web1, web2) = ready("web1", "web2")
    said = msgspec.msgpack.encode({"grains": {"id": "web2"}, "minion": "web2"})
    web1.say(ask(web1, 1, said))
    assert [(each.minion, each.arguments) for each in bench.renders] == [("web1", said)]
    bench.render({"v": 1})
    (offer,) = offers(bench, web1)
    assert offer.is_found
    assert msgspec.msgpack.decode(offer.body)["data"] == {"v": 1}
    assert offers(bench, web2) == []


TWO = MasterSettings(pillar=PillarLimits(at_once=2))


def test_so_many_are_handed_out_and_of_one_minion_one() -> None:
    bench, minions = ready("web1", "web2", "web3", settings=TWO)
    web1, web2, web3 = minions
    for number in range(3):
        web1.say(ask(web1, number + 1, bytes([number])))
    web2.say(ask(web2, 1))
    web3.say(ask(web3, 1))
    assert [each.minion for each in bench.renders] == ["web1", "web2"]
    bench.render()
    assert [each.minion for each in bench.renders] == ["web2", "web3"]
    bench.render()
    assert [each.minion for each in bench.renders] == ["web3", "web1"]


def test_of_large_questions_two_are_handed_out_and_of_small_ones_more() -> None:
    names = [f"web{number}" for number in range(6)]
    limits = PillarLimits(at_once=4, at_once_bytes_max=250)
    bench, minions = ready(*names, settings=MasterSettings(pillar=limits))
    for minion in minions[:3]:
        minion.say(ask(minion, 1, b"x" * 200))
    for minion in minions[3:]:
        minion.say(ask(minion, 1, b"x"))
    assert [each.minion for each in bench.renders] == names[:2]
    bench.render()
    assert [each.minion for each in bench.renders] == names[1:3]
    bench.render()
    assert [each.minion for each in bench.renders] == names[2:]


def test_equal_questions_that_wait_are_answered_by_one_rendering() -> None:
    bench, (web1,) = ready("web1")
    web1.say(ask(web1, 1))
    web1.say(ask(web1, 2))
    web1.say(ask(web1, 3))
    bench.render({"v": 1})
    assert [each.request for each in offers(bench, web1)] == [1]
    bench.render({"v": 2})  # files may have changed since the first one began
    assert [each.request for each in offers(bench, web1)] == [1, 2, 3]
    assert bench.renders == []


def test_a_question_that_is_asked_again_is_neither_begun_nor_answered_twice() -> None:
    bench, (web1,) = ready("web1")
    web1.say(ask(web1, 1))
    web1.say(ask(web1, 1))
    assert len(bench.renders) == 1
    bench.render({"v": 1})
    assert len(offers(bench, web1)) == 1
    web1.say(ask(web1, 1))
    first, second = offers(bench, web1)
    assert first == second
    assert bench.renders == []


def test_a_large_body_is_pulled_by_its_own_minion_alone_and_for_a_while() -> None:
    bench, (web1, web2) = ready("web1", "web2")
    web1.say(ask(web1, 1))
    bench.render({"v": "x" * (SOURCE_INLINE_BYTES_MAX + 1)})
    (offer,) = offers(bench, web1)
    assert (offer.has_body, offer.body) == (False, b"")
    got = b""
    while len(got) < offer.total:
        (piece,) = web1.say(pull(web1, 2, offer.digest, len(got)))
        assert isinstance(piece, Piece)
        assert piece.data
        got += piece.data
    assert msgspec.msgpack.decode(got)["data"]["v"].startswith("x")
    (denied,) = web2.say(pull(web2, 2, offer.digest))
    assert isinstance(denied, Piece)
    assert (denied.data, denied.problem) == (b"", GONE)
    (beyond,) = web1.say(pull(web1, 3, offer.digest, 10**9))
    assert isinstance(beyond, Piece)
    assert "is asked for" in beyond.problem
    for _ in range(16):
        bench.advance(4.0)
        web1.beat()
    (gone,) = web1.say(pull(web1, 4, offer.digest))
    assert isinstance(gone, Piece)
    assert gone.problem == GONE


def test_an_answer_for_a_session_that_is_over_is_sent_to_nobody() -> None:
    bench, (web1,) = ready("web1")
    web1.say(ask(web1, 1))
    old_peer = web1.peer
    web1.connect()
    bench.render({"v": 1})
    assert bench.messages(old_peer, Offer) == []
    assert offers(bench, web1) == []
    web1.say(ask(web1, 1))
    bench.render({"v": 2})
    assert len(offers(bench, web1)) == 1


@pytest.mark.covers("E17")
def test_who_asks_again_is_told_that_it_is_in_line_and_keeps_its_place() -> None:
    limits = PillarLimits(at_once=1, waits_s_max=20.0)
    names = ("web1", "web2", "old", "mute")
    bench, minions = ready(*names, settings=MasterSettings(pillar=limits))
    _, web2, old, mute = minions
    web2.protocol = 2
    web2.connect()
    for minion in minions:
        minion.say(ask(minion, 1))
    for _ in range(30):
        bench.advance(1)
        for minion in minions:
            minion.beat()
        for minion in (web2, old):
            minion.say(ask(minion, 1))
    assert offers(bench, old) == [], "it knows of no line"
    assert {(each.problem, each.total) for each in offers(bench, web2)} == {(BUSY, 4)}
    for _ in range(3):
        bench.render()
    assert [minion.name for minion in minions if offers(bench, minion)[-1].problem == ""] == [
        "web1", "web2", "old",
    ]  # fmt: skip
    assert [each.problem for each in offers(bench, mute)] == [BUSY], "nobody listens any more"
    assert bench.renders == []


def test_questions_over_the_bound_are_answered_with_busy() -> None:
    limits = PillarLimits(open_of_one_max=2)
    bench, (web1,) = ready("web1", settings=MasterSettings(pillar=limits))
    for number in range(3):
        web1.say(ask(web1, number + 1, bytes([number])))
    (offer,) = offers(bench, web1)
    assert (offer.request, offer.problem) == (3, BUSY)
    assert bench.counts.count("pillar_busy") == 1


def test_what_one_minion_has_waiting_is_bounded_in_bytes_and_that_of_all_too() -> None:
    limits = PillarLimits(at_once=2, waiting_bytes_max=250, waiting_bytes_of_one_max=150)
    bench, (web1, web2, web3) = ready(
        "web1", "web2", "web3", settings=MasterSettings(pillar=limits)
    )
    for minion in (web1, web2):
        minion.say(ask(minion, 1))  # begun at once: they do not wait
    for number in (2, 3):
        web1.say(ask(web1, number, bytes([number]) * 100))
    assert [(each.request, each.problem) for each in offers(bench, web1)] == [(3, BUSY)]
    web1.say(ask(web1, 4, b"\2" * 100))  # in the words of one that waits: it takes no more room
    web1.say(ask(web1, 5, b"y"))
    web2.say(ask(web2, 2, b"z" * 140))
    assert offers(bench, web2) == []
    web3.say(ask(web3, 1, b"z" * 140))
    assert [each.problem for each in offers(bench, web3)] == [BUSY]
    for _ in range(5):
        bench.render()
    assert [each.problem for each in offers(bench, web1)] == [BUSY, "", "", "", ""]
    web3.say(ask(web3, 2, b"z" * 140))
    assert len(bench.renders) == 1


def test_a_question_that_is_larger_than_the_bound_has_its_turn_when_nothing_else_waits() -> None:
    limits = PillarLimits(at_once=1, waiting_bytes_of_one_max=10)
    bench, (web1,) = ready("web1", settings=MasterSettings(pillar=limits))
    for number in (1, 2, 3):
        web1.say(ask(web1, number, bytes([number]) * 100))
    assert [each.request for each in offers(bench, web1)] == [3]
    bench.render()
    bench.render()
    assert [each.request for each in offers(bench, web1)] == [3, 1, 2]


def test_a_rendering_that_is_never_answered_is_given_up() -> None:
    bench, (web1,) = ready("web1")
    web1.say(ask(web1, 1))
    for _ in range(16):
        bench.advance(4.0)
        web1.beat()
    (offer,) = offers(bench, web1)
    assert "was not rendered in time" in offer.problem
    asked = bench.renders[0]
    bench.render({"v": 1})  # it comes late, and is of no use
    assert len(offers(bench, web1)) == 1
    web1.say(ask(web1, 2))
    assert bench.renders[0].number > asked.number


def test_a_rendering_is_not_given_up_while_others_are_answered() -> None:
    bench, (web1, web2) = ready("web1", "web2")
    web1.say(ask(web1, 1))
    for number in range(30):
        web2.say(ask(web2, number + 1))
        for minion in (web1, web2):
            minion.beat()
        bench.advance(4.0)
        bench.render({"v": 1}, number=bench.renders[-1].number)
    assert offers(bench, web1) == []
    bench.render({"v": 2})
    assert [each.problem for each in offers(bench, web1)] == [""]


class Questions(RuleBasedStateMachine):
    """Any order of questions, answers, reconnects and time: every question ends, nobody leaks."""

    def __init__(self) -> None:
        super().__init__()
        self.bench, self.minions = ready("web1", "web2", "web3", settings=TWO)
        self.requests = 0

    @rule(which=st.integers(0, 2), arguments=st.sampled_from([b"a", b"b"]))
    def ask(self, which: int, arguments: bytes) -> None:
        minion = self.minions[which]
        self.requests += 1
        minion.say(ask(minion, self.requests, arguments))

    @precondition(lambda self: self.bench.renders)
    @rule(data=st.data())
    def render(self, data: Any) -> None:  # noqa: ANN401
        asked = data.draw(st.sampled_from(self.bench.renders))
        self.bench.render({"of": asked.minion}, number=asked.number)

    @rule(which=st.integers(0, 2))
    def reconnect(self, which: int) -> None:
        self.wait(1.5)  # a minion may not greet more often
        self.minions[which].connect()

    @rule(seconds=st.sampled_from([1.0, 4.0, 30.0]))
    def wait(self, seconds: float) -> None:
        while seconds > 0:
            self.bench.advance(min(4.0, seconds))
            seconds -= 4.0
            for minion in self.minions:
                minion.beat()

    @invariant()
    def one_rendering_of_a_minion_and_two_in_all(self) -> None:
        under_way = self.bench.core._pillar._running  # those that were given up are not
        names = [each.minion for each in self.bench.renders if each.number in under_way]
        assert len(names) == len(under_way)
        assert len(names) <= 2
        assert len(set(names)) == len(names)

    @invariant()
    def nobody_is_given_the_pillar_of_another(self) -> None:
        for minion in self.minions:
            for offer in offers(self.bench, minion):
                if offer.has_body:
                    assert msgspec.msgpack.decode(offer.body)["data"] == {"of": minion.name}

    def teardown(self) -> None:
        for _ in range(200):
            if not self.bench.renders:
                break
            self.bench.render({"of": self.bench.renders[0].minion})
        assert self.bench.renders == []
        requests = self.bench.core._pillar
        assert requests.figures["pillar_waiting"] == 0
        assert requests._open_count == 0
        assert requests._running_bytes == 0


TestQuestions = Questions.TestCase
TestQuestions.settings = hypothesis_settings(max_examples=30, stateful_step_count=25, deadline=None)


def test_the_core_hands_a_rendering_to_the_shell_as_an_effect() -> None:
    bench, (web1,) = ready("web1")
    web1.say(ask(web1, 1, b"q"))
    assert bench.renders == [do.Render(bench.renders[0].number, MinionId("web1"), b"q")]


@pytest.mark.parametrize("arguments", [b"", b"\xc1", b"x" * 1000])
def test_what_a_minion_says_is_never_read_by_the_master_itself(arguments: bytes) -> None:
    bench, (web1,) = ready("web1")
    web1.say(ask(web1, 1, arguments))
    assert bench.renders[0].arguments == arguments
