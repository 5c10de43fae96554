"""What an administrator does with keys: never a guess, all or nothing, and at once."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limpet.common.crypto.keys import fingerprint
from limpet.common.errors import UsageError
from limpet.common.identifiers import MinionId, MinionKey
from limpet.master.enrolment import key_selection
from limpet.master.enrolment.key_table import KeyTable
from limpet.master.store.operations import KeyRow
from support.master.enrolment import EnrolmentBench, key_of

A, B, C = key_of(1), key_of(2), key_of(3)


def waiting(*pairs: tuple[int, str]) -> EnrolmentBench:
    """Give an authority at which these (key number, id) wait."""
    bench = EnrolmentBench()
    for number, minion in pairs:
        assert bench.ask(key_of(number), minion, address=f"192.0.2.{number}") == "pending"
    return bench


@pytest.mark.covers("R-3.14", "H4")
@pytest.mark.parametrize("action", ["reject", "delete"])
def test_a_key_that_is_turned_out_is_turned_out_in_this_very_turn(action: str) -> None:
    bench = waiting((1, "web1"), (2, "web2"))
    bench.change("accept", is_all=True)
    change = bench.change(action, "web1")  # type: ignore[arg-type]
    assert change.disconnect == (A,)
    assert not bench.authority.is_accepted(A)
    assert bench.authority.is_accepted(B)
    assert [event.tag for event in change.events] == [f"key/web1/{action}ed".replace("eed", "ed")]


@pytest.mark.covers("A2", "A8")
def test_a_rejected_key_goes_on_asking_and_can_be_accepted_later() -> None:
    bench = waiting((1, "web1"))
    bench.change("accept", "web1")
    bench.change("reject", "web1")
    for _ in range(1000):
        assert bench.ask(A, "web1") == "refused"
        assert bench.last is not None
        assert bench.last.answer.retry > 0
        bench.wait(15)
    assert bench.shown() == [("web1", "rejected")]
    change = bench.change("accept", "web1")
    assert [info.state for info in change.keys] == ["accepted"]
    assert bench.ask(A, "web1") == "accepted"


def test_a_deleted_key_may_ask_again_like_a_new_one() -> None:
    bench = waiting((1, "web1"))
    bench.change("accept", "web1")
    change = bench.change("delete", "web1")
    assert [(info.minion, info.state) for info in change.keys] == [("web1", "accepted")]
    assert bench.shown() == []
    assert bench.ask(A, "web1") == "pending"


@pytest.mark.covers("R-3.11", "B-82")
def test_an_id_that_two_keys_claim_is_accepted_by_fingerprint_only() -> None:
    bench = waiting((1, "web1"), (2, "web1"))
    with pytest.raises(UsageError) as raised:
        bench.change("accept", "web1")
    for key, address in ((A, "192.0.2.1"), (B, "192.0.2.2")):
        assert f"pending {fingerprint(key)} from {address}" in str(raised.value)
    assert bench.authority.fleet == 0
    change = bench.change("accept", fingerprint(B).upper())
    assert [info.fingerprint for info in change.keys] == [fingerprint(B)]
    assert bench.authority.is_accepted(B)
    with pytest.raises(UsageError, match=r"web1 has an accepted key already: accepted .* from"):
        bench.change("accept", fingerprint(A))
    bench.change("delete", fingerprint(B))
    bench.change("accept", "web1")
    assert bench.authority.is_accepted(A)


@pytest.mark.covers("R-3.11")
@pytest.mark.parametrize("action", ["reject", "delete"])
def test_the_wrong_one_of_two_is_never_turned_out_by_a_guess(action: str) -> None:
    bench = waiting((1, "web1"))
    bench.change("accept", "web1")
    bench.ask(B, "web1", address="192.0.2.2")
    with pytest.raises(UsageError, match="2 keys claim the id web1; name one by its fingerprint"):
        bench.change(action, "web1")  # type: ignore[arg-type]
    assert bench.authority.is_accepted(A)
    bench.change(action, fingerprint(B))  # type: ignore[arg-type]
    assert bench.authority.is_accepted(A)


def test_both_fingerprints_of_one_id_at_once_are_refused() -> None:
    bench = waiting((1, "web1"), (2, "web1"))
    with pytest.raises(UsageError, match="two of these keys"):
        bench.change("accept", fingerprint(A), fingerprint(B))
    assert bench.authority.fleet == 0


def test_an_impostor_that_was_rejected_is_in_nobodys_way() -> None:
    bench = waiting((1, "web1"), (2, "web1"))
    bench.change("reject", fingerprint(A))
    assert bench.shown() == [("web1", "pending"), ("web1", "rejected")]
    bench.change("accept", "web1")
    assert bench.authority.is_accepted(B)


@pytest.mark.covers("R-3.11")
def test_globs_and_all_leave_contested_ids_alone() -> None:
    bench = waiting((1, "web1"), (2, "web2"), (3, "web2"), (4, "db1"))
    change = bench.change("accept", "web*", is_dry=True)
    assert [(info.minion, info.state) for info in change.keys] == [("web1", "pending")]
    assert bench.authority.fleet == 0
    assert not change.operations
    assert not change.events
    bench.change("accept", "web*")
    assert bench.shown()[0] == ("web1", "accepted")
    bench.change("accept", is_all=True)
    assert bench.shown() == [
        ("db1", "accepted"),
        ("web1", "accepted"),
        ("web2", "conflict"),
        ("web2", "conflict"),
    ]
    change = bench.change("reject", is_all=True)
    assert [info.state for info in change.keys] == ["rejected", "rejected"]
    assert bench.authority.fleet == 2
    change = bench.change("reject", "*")
    assert len(change.disconnect) == 2
    assert bench.change("delete", is_all=True).keys
    assert bench.shown() == []
    assert bench.kept.keys == {}


def test_doing_it_twice_changes_nothing_more() -> None:
    bench = waiting((1, "web1"))
    bench.change("accept", "web1")
    change = bench.change("accept", "web1")
    assert [info.state for info in change.keys] == ["accepted"]
    assert (change.operations, change.events, change.disconnect) == ((), (), ())


@pytest.mark.parametrize(
    "patterns, reason",
    [
        (("web9",), "no key matches 'web9': see `limpet keys list`"),
        (("web1", "web9"), "no key matches 'web9'"),
        (("db*",), r"no key matches 'db\*'"),
        ((fingerprint(C),), "no key matches"),
        ((fingerprint(A).replace(":", ""),), "no key matches"),
        (("\x1b[2J",), r"no key matches '\\x1b\[2j'|no key matches '\\x1b\[2J'"),
        ((), "say which keys to accept"),
    ],
)
def test_what_matches_nothing_is_said_and_nothing_is_done(
    patterns: tuple[str, ...], reason: str
) -> None:
    bench = waiting((1, "web1"))
    with pytest.raises(UsageError, match=reason):
        bench.change("accept", *patterns)
    assert bench.authority.fleet == 0


@pytest.mark.covers("R-8.3")
def test_an_id_cannot_pass_for_a_fingerprint() -> None:
    bench = waiting((1, "web1"), (2, fingerprint(A).replace(":", "")))
    bench.change("accept", fingerprint(A))
    assert bench.authority.is_accepted(A)
    assert not bench.authority.is_accepted(B)


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ask", "join", "accept", "reject", "delete", "glob", "wait", "restart"]),
        st.integers(0, 7),
        st.integers(0, 4),
    ),
    max_size=60,
)


@pytest.mark.covers("H12", "R-3.9")
@settings(max_examples=150, deadline=None)
@given(steps=_STEPS)
def test_whatever_happens_an_id_has_one_key_and_the_disk_says_what_memory_says(
    steps: list[tuple[str, int, int]],
) -> None:
    """Ten minions stay accepted while others ask, join, are renamed and turned out at random."""
    bench = EnrolmentBench()
    steady = [key_of(100 + number) for number in range(10)]
    for number, key in enumerate(steady):
        bench.ask(key, f"steady{number}", address=f"198.51.100.{number}")
    bench.change("accept", "steady*")
    join = bench.token(uses=3, id_pattern="x*")
    for action, number, name in steps:
        key, minion = key_of(number), f"x{name}"
        before = {row.minion: row.key for row in bench.authority.accepted_rows()}
        try:
            if action == "ask":
                bench.ask(key, minion, address=f"192.0.2.{number}")
            elif action == "join":
                bench.ask(key, minion, join, address=f"192.0.2.{number}")
            elif action in ("accept", "reject", "delete"):
                bench.change(action, minion)  # type: ignore[arg-type]
            elif action == "glob":
                bench.change("reject" if number % 2 else "accept", "x*")
            elif action == "wait":
                bench.wait(3600.0 * number)
            else:
                bench.restart()
        except UsageError:
            assert {row.minion: row.key for row in bench.authority.accepted_rows()} == before
        rows = bench.authority.accepted_rows()
        assert len({row.minion for row in rows}) == len(rows) == bench.authority.fleet
        for row in rows:
            owner = before.get(row.minion)
            assert owner in (None, row.key)  # nobody was displaced
        assert all(bench.authority.is_accepted(each) for each in steady)
        assert bench.kept.tokens[join.token_id].used <= 3
        shown = bench.authority.key_infos()
        bench_after = EnrolmentBench()
        bench_after.kept = bench.kept
        bench_after.restart()
        assert bench_after.authority.key_infos() == shown


def test_many_fingerprints_at_once_cost_one_look_at_each_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else `--all` in a large fleet would hold the master's loop up until it is ended."""
    looks: list[str] = []

    def look(key: MinionKey) -> str:
        looks.append(key)
        return fingerprint(key)

    monkeypatch.setattr(key_selection, "fingerprint", look)
    rows = [
        KeyRow(key_of(n), MinionId(f"web{n}"), "pending", 1.0, "192.0.2.1", "", 1.0)
        for n in range(1, 31)
    ]
    names = [fingerprint(row.key) for row in rows]
    found = key_selection.select(KeyTable(rows), "accept", names, False)
    assert sorted(row.key for row in found) == sorted(row.key for row in rows)
    assert len(looks) == len(rows)
