"""Targets that go by pillar: whose is rendered, who is meant, who is left out and told so."""

from collections.abc import Callable

import msgspec

from limpet.common.control.replies import JobStored, Minions, NoMinion, Refused, Remark, Reply
from limpet.common.control.requests import ChangeKeys, ListMinions, TargetKind
from limpet.common.messages.session import Grains
from limpet.common.messages.sources import Ask
from limpet.master.core import effects as do
from limpet.master.core.settings import MasterSettings
from limpet.master.pillar.limits import PillarLimits
from support.master.master_bench import Bench, MinionOnBench, ready


def begin(bench: Bench, target: str, kind: TargetKind = "pillar", client: int = 1) -> list[Reply]:
    """Ask for a job and give what is told at once."""
    return bench.ask(client, bench.request(target, kind=kind))


def meant(bench: Bench, client: int = 1) -> list[str]:
    """Give the minions of the job that a client was told of."""
    stored = [each for each in bench.answers.get(client, ()) if isinstance(each, JobStored)]
    assert len(stored) == 1, bench.answers
    return [each.minion for each in stored[0].results]


def remarks(bench: Bench, client: int = 1) -> list[str]:
    return [each.text for each in bench.answers.get(client, ()) if isinstance(each, Remark)]


def tell_grains(minion: MinionOnBench, facts: dict[str, object]) -> None:
    body = msgspec.json.encode(facts)
    minion.say(Grains(minion.session, "a" * 64, body, 1))


def test_pillars_that_are_missing_are_rendered_first_and_then_known() -> None:
    bench, _minions = ready("web1", "web2")
    assert begin(bench, "role:web") == []
    assert sorted(each.minion for each in bench.renders) == ["web1", "web2"]
    for _ in range(2):
        name = bench.renders[0].minion
        bench.render({"role": "web" if name == "web1" else "db"})
    assert meant(bench) == ["web1"]
    begin(bench, "role:d?", client=2)
    assert bench.renders == []
    assert meant(bench, 2) == ["web2"]


def test_only_those_are_rendered_for_whom_pillar_decides() -> None:
    bench, _minions = ready("web1", "web2", "db1")
    begin(bench, "web1 or ( db* and I@role:main )", "compound")
    assert [each.minion for each in bench.renders] == ["db1"]
    bench.render({"role": "main"})
    assert meant(bench) == ["db1", "web1"]
    begin(bench, "web2 and not G@os:x or I@role:x and nobody", "compound", client=2)
    assert meant(bench, 2) == ["web2"]


def test_the_rendering_is_given_the_facts_that_the_store_has() -> None:
    bench, (web1,) = ready("web1")
    tell_grains(web1, {"os": "Debian"})
    begin(bench, "role:web")
    wanted = msgspec.msgpack.decode(bench.renders[0].arguments)
    assert wanted == {"grains_json": b'{"os":"Debian"}', "is_usual": True}


def test_a_minion_that_asks_for_its_pillar_makes_it_known() -> None:
    bench, (web1,) = ready("web1")
    web1.say(Ask(web1.session, 1, "pillar", "base", "", b"q", "", 10**6))
    bench.render({"role": "web"})
    begin(bench, "role:web")
    assert meant(bench) == ["web1"]
    web1.say(Ask(web1.session, 2, "pillar", "base", "", b"with override", "", 10**6))
    bench.render({"role": "other"}, is_usual=False)
    begin(bench, "role:web", client=2)
    assert meant(bench, 2) == ["web1"]


def test_a_pillar_with_errors_matches_nothing_and_is_named() -> None:
    bench, _minions = ready("web1", "web2")
    begin(bench, "role:web")
    for _ in range(2):
        is_bad = bench.renders[0].minion == "web2"
        bench.render({"role": "web"}, errors=["it is broken"] if is_bad else [])
    assert meant(bench) == ["web1"]
    assert len(remarks(bench)) == 1
    assert "web2 has errors" in remarks(bench)[0]
    begin(bench, "role:web", client=2)  # it may have been put right
    assert [each.minion for each in bench.renders] == ["web2"]


def test_a_pillar_that_does_not_come_in_time_is_told_of_and_left_out() -> None:
    bench, minions = ready("web1", "web2")
    begin(bench, "role:web")
    late = bench.renders[1].minion
    bench.render({"role": "web"})
    for _ in range(8):
        bench.advance(4.0)
        for minion in minions:
            minion.beat()
    told = remarks(bench)
    assert any(text.startswith(f"waiting for the pillar of {late}") for text in told)
    assert told[-1].startswith(f"the pillar of {late} was not rendered within 30 s")
    assert len(meant(bench)) == 1
    assert meant(bench) != [late]


def test_minions_that_ask_without_end_do_not_keep_a_target_from_its_pillars() -> None:
    bench, (web1, web2, _db1) = ready("web1", "web2", "db1")
    requests = iter(range(1, 100))
    for minion in (web1, web2):
        for _ in range(4):
            number = next(requests)
            minion.say(Ask(minion.session, number, "pillar", "base", "", bytes([number]), "", 0))
    begin(bench, "db1 and I@role:main", "compound")
    rendered = []
    for _ in range(4):
        rendered.append(bench.render({"role": "main"}, is_usual=False).minion)
    assert "db1" in rendered
    assert [each.minion for each in bench.renders] != []  # the others still have their turns


def test_nobody_who_matches_is_said_so_after_the_remarks() -> None:
    bench, _minions = ready("web1")
    begin(bench, "role:web")
    bench.render({"role": "db"})
    assert [type(each) for each in bench.answers[1]] == [NoMinion]


def test_a_client_that_leaves_is_forgotten() -> None:
    bench, _minions = ready("web1")
    begin(bench, "role:web")
    bench.carry_out(bench.core.on_client_gone(bench.now, do.Client(1)))
    bench.render({"role": "web"})
    assert bench.answers.get(1, []) == []
    assert bench.store.jobs == {}


def test_the_same_request_on_another_connection_makes_one_job() -> None:
    bench, _minions = ready("web1")
    request = bench.request("role:web", kind="pillar")
    bench.ask(1, request)
    bench.ask(2, request)
    bench.render({"role": "web"})
    assert len(bench.store.jobs) == 1
    assert meant(bench, 1) == meant(bench, 2) == ["web1"]


def test_minions_are_listed_by_pillar_too() -> None:
    bench, _minions = ready("web1", "web2")
    assert bench.ask(1, ListMinions("role:(web|x)", "pillar_pcre")) == []
    while bench.renders:
        bench.render({"role": bench.renders[0].minion[:3]})
    (reply,) = bench.answers[1]
    assert isinstance(reply, Minions)
    assert [each.minion for each in reply.minions] == ["web1", "web2"]


def test_a_batch_that_is_none_is_refused_before_anything_is_rendered() -> None:
    bench, _minions = ready("web1")
    (reply,) = bench.ask(1, bench.request("role:web", kind="pillar", batch="many"))
    assert isinstance(reply, Refused)
    assert bench.renders == []


def test_pillars_that_memory_has_no_room_for_are_rendered_again() -> None:
    limits = PillarLimits(known_bytes_max=200)
    bench, _minions = ready("web1", "web2", settings=MasterSettings(pillar=limits))
    for client in (1, 2):
        begin(bench, "role:web", client=client)
        assert bench.renders
        while bench.renders:
            bench.render({"role": "web", "x": "y" * 150})
        assert meant(bench, client) == ["web1", "web2"]


TWO = MasterSettings(pillar=PillarLimits(at_once=2))


def test_what_is_left_of_a_fleet_is_handed_out_a_few_at_a_time() -> None:
    names = [f"web{number}" for number in range(20)]
    bench, _minions = ready(*names, settings=TWO)
    begin(bench, "role:web")
    rendered = []
    while bench.renders:
        assert len(bench.renders) <= 2
        rendered.append(bench.render({"role": "web"}).minion)
    assert sorted(rendered) == sorted(names)
    assert meant(bench) == sorted(names)


def test_the_pillar_of_a_key_that_is_deleted_is_forgotten_also_while_it_is_rendered() -> None:
    bench, _minions = ready("web1", "web2")
    bench.ask(9, ChangeKeys("delete", ("web1",), False, False))
    begin(bench, "role:web")
    assert [each.minion for each in bench.renders] == ["web2"]
    bench.ask(9, ChangeKeys("reject", ("web2",), False, False))
    bench.render({"role": "web"})
    bench.ask(9, ChangeKeys("accept", ("web2",), False, False))
    begin(bench, "role:web", client=2)
    assert [each.minion for each in bench.renders] == ["web2"], "it is not known from before"
    bench.render({"role": "web"})
    begin(bench, "role:web", client=3)
    assert bench.renders == []
    bench.ask(9, ChangeKeys("reject", ("web2",), False, False))
    bench.ask(9, ChangeKeys("accept", ("web2",), False, False))
    begin(bench, "role:web", client=4)
    assert [each.minion for each in bench.renders] == ["web2"]


def test_a_command_does_not_wait_for_the_pillar_of_a_key_that_is_deleted() -> None:
    bench, _minions = ready("web1", "web2", "web3", settings=TWO)
    begin(bench, "role:web")
    begun = {each.minion for each in bench.renders}
    (waiting,) = {"web1", "web2", "web3"} - begun
    bench.ask(9, ChangeKeys("delete", (waiting,), False, False))
    for _ in range(2):
        bench.render({"role": "web"})
    assert set(meant(bench)) == begun


def turns_until(bench: Bench, is_over: Callable[[], bool]) -> float:
    """Let deadlines of the master come one by one; gives the seconds that it took."""
    began = bench.t
    for _ in range(4_000):
        if is_over():
            return bench.t - began
        bench.advance(max(0.0, bench.core.next_deadline - bench.now.boot))
    raise AssertionError("it never comes")


def fleet(count: int) -> Bench:
    """Give a fleet whose pillars take more than one turn to look at."""
    return Bench([f"web{number:04d}" for number in range(count)])


def test_a_search_that_takes_turns_waits_for_nobody_who_is_deleted_meanwhile() -> None:
    bench = fleet(400)
    assert bench.ask(1, ListMinions("I@role:web", "compound")) == []
    assert bench.renders == [], "it is still searched for"
    bench.ask(9, ChangeKeys("delete", (), is_all=True, is_dry=False))
    assert turns_until(bench, lambda: 1 in bench.answers) < 1.0
    assert bench.answers[1] == [Minions(())]


def test_a_command_ends_when_the_last_minion_that_it_waits_for_is_deleted() -> None:
    bench, _minions = ready("web1")
    begin(bench, "role:web")
    assert [each.minion for each in bench.renders] == ["web1"]
    bench.ask(9, ChangeKeys("delete", ("web1",), False, False))
    assert [type(each) for each in bench.answers[1]] == [NoMinion]
    bench.render({"role": "web"})
    assert len(bench.answers[1]) == 1


def test_who_changes_or_comes_while_pillars_are_looked_at_is_judged_as_it_is_then() -> None:
    bench = fleet(400)
    changing = MinionOnBench(bench, "web0000")
    changing.connect()
    bench.ask(9, ChangeKeys("reject", ("web0001",), False, False))
    assert bench.ask(1, ListMinions("G@os:Debian or I@role:web", "compound")) == []
    assert bench.renders == [], "it is still searched for"
    tell_grains(changing, {"os": "Debian"})
    bench.ask(9, ChangeKeys("accept", ("web0001",), False, False))
    turns_until(bench, lambda: bool(bench.renders))
    rendered = set()
    while bench.renders:
        rendered.add(bench.render({"role": "web"}).minion)
    assert "web0000" not in rendered, "its grains decide by now"
    assert "web0001" in rendered
    reply = bench.answers[1][-1]
    assert isinstance(reply, Minions)
    assert len(reply.minions) == 400


def test_a_command_that_is_searched_for_long_is_told_so() -> None:
    limits = PillarLimits(notice_s=0.001)
    bench = Bench(
        [f"web{number:04d}" for number in range(3_000)], settings=MasterSettings(pillar=limits)
    )
    assert bench.ask(1, ListMinions("I@role:web", "compound")) == []
    turns_until(bench, lambda: bool(bench.renders))
    told = remarks(bench)
    assert 1 <= len(told) <= 3, "it takes ten turns of 0.2 ms"
    assert told[0].startswith("the target 'I@role:web' is still searched for")
