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
from support.master.enrolment import Counter, key_of

A, B, C = key_of(1), key_of(2), key_of(3)


def waiting(*pairs: tuple[int, str]) -> Counter:
    """Give a desk at which these (key number, id) wait."""
    counter = Counter()
    for number, minion in pairs:
        assert counter.ask(key_of(number), minion, address=f"192.0.2.{number}") == "pending"
    return counter


@pytest.mark.covers("R-3.14", "H4")
@pytest.mark.parametrize("action", ["reject", "delete"])
def test_a_key_that_is_turned_out_is_turned_out_in_this_very_turn(action: str) -> None:
    counter = waiting((1, "web1"), (2, "web2"))
    counter.change("accept", is_all=True)
    change = counter.change(action, "web1")  # type: ignore[arg-type]
    assert change.disconnect == (A,)
    assert not counter.desk.is_accepted(A)
    assert counter.desk.is_accepted(B)
    assert [event.tag for event in change.events] == [f"key/web1/{action}ed".replace("eed", "ed")]


@pytest.mark.covers("A2", "A8")
def test_a_rejected_key_goes_on_asking_and_can_be_accepted_later() -> None:
    counter = waiting((1, "web1"))
    counter.change("accept", "web1")
    counter.change("reject", "web1")
    for _ in range(1000):
        assert counter.ask(A, "web1") == "refused"
        assert counter.last is not None
        assert counter.last.answer.retry > 0
        counter.wait(15)
    assert counter.shown() == [("web1", "rejected")]
    change = counter.change("accept", "web1")
    assert [info.state for info in change.keys] == ["accepted"]
    assert counter.ask(A, "web1") == "accepted"


def test_a_deleted_key_may_ask_again_like_a_new_one() -> None:
    counter = waiting((1, "web1"))
    counter.change("accept", "web1")
    change = counter.change("delete", "web1")
    assert [(info.minion, info.state) for info in change.keys] == [("web1", "accepted")]
    assert counter.shown() == []
    assert counter.ask(A, "web1") == "pending"


@pytest.mark.covers("R-3.11", "B-82")
def test_an_id_that_two_keys_claim_is_accepted_by_fingerprint_only() -> None:
    counter = waiting((1, "web1"), (2, "web1"))
    with pytest.raises(UsageError) as raised:
        counter.change("accept", "web1")
    for key, address in ((A, "192.0.2.1"), (B, "192.0.2.2")):
        assert f"pending {fingerprint(key)} from {address}" in str(raised.value)
    assert counter.desk.fleet == 0
    change = counter.change("accept", fingerprint(B).upper())
    assert [info.fingerprint for info in change.keys] == [fingerprint(B)]
    assert counter.desk.is_accepted(B)
    with pytest.raises(UsageError, match=r"web1 has an accepted key already: accepted .* from"):
        counter.change("accept", fingerprint(A))
    counter.change("delete", fingerprint(B))
    counter.change("accept", "web1")
    assert counter.desk.is_accepted(A)


@pytest.mark.covers("R-3.11")
@pytest.mark.parametrize("action", ["reject", "delete"])
def test_the_wrong_one_of_two_is_never_turned_out_by_a_guess(action: str) -> None:
    counter = waiting((1, "web1"))
    counter.change("accept", "web1")
    counter.ask(B, "web1", address="192.0.2.2")
    with pytest.raises(UsageError, match="2 keys claim the id web1; name one by its fingerprint"):
        counter.change(action, "web1")  # type: ignore[arg-type]
    assert counter.desk.is_accepted(A)
    counter.change(action, fingerprint(B))  # type: ignore[arg-type]
    assert counter.desk.is_accepted(A)


def test_both_fingerprints_of_one_id_at_once_are_refused() -> None:
    counter = waiting((1, "web1"), (2, "web1"))
    with pytest.raises(UsageError, match="two of these keys"):
        counter.change("accept", fingerprint(A), fingerprint(B))
    assert counter.desk.fleet == 0


def test_an_impostor_that_was_rejected_is_in_nobodys_way() -> None:
    counter = waiting((1, "web1"), (2, "web1"))
    counter.change("reject", fingerprint(A))
    assert counter.shown() == [("web1", "pending"), ("web1", "rejected")]
    counter.change("accept", "web1")
    assert counter.desk.is_accepted(B)


@pytest.mark.covers("R-3.11")
def test_globs_and_all_leave_contested_ids_alone() -> None:
    counter = waiting((1, "web1"), (2, "web2"), (3, "web2"), (4, "db1"))
    change = counter.change("accept", "web*", is_dry=True)
    assert [(info.minion, info.state) for info in change.keys] == [("web1", "pending")]
    assert counter.desk.fleet == 0
    assert not change.operations
    assert not change.events
    counter.change("accept", "web*")
    assert counter.shown()[0] == ("web1", "accepted")
    counter.change("accept", is_all=True)
    assert counter.shown() == [
        ("db1", "accepted"),
        ("web1", "accepted"),
        ("web2", "conflict"),
        ("web2", "conflict"),
    ]
    change = counter.change("reject", is_all=True)
    assert [info.state for info in change.keys] == ["rejected", "rejected"]
    assert counter.desk.fleet == 2
    change = counter.change("reject", "*")
    assert len(change.disconnect) == 2
    assert counter.change("delete", is_all=True).keys
    assert counter.shown() == []
    assert counter.kept.keys == {}


def test_doing_it_twice_changes_nothing_more() -> None:
    counter = waiting((1, "web1"))
    counter.change("accept", "web1")
    change = counter.change("accept", "web1")
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
    counter = waiting((1, "web1"))
    with pytest.raises(UsageError, match=reason):
        counter.change("accept", *patterns)
    assert counter.desk.fleet == 0


@pytest.mark.covers("R-8.3")
def test_an_id_cannot_pass_for_a_fingerprint() -> None:
    counter = waiting((1, "web1"), (2, fingerprint(A).replace(":", "")))
    counter.change("accept", fingerprint(A))
    assert counter.desk.is_accepted(A)
    assert not counter.desk.is_accepted(B)


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
    counter = Counter()
    steady = [key_of(100 + number) for number in range(10)]
    for number, key in enumerate(steady):
        counter.ask(key, f"steady{number}", address=f"198.51.100.{number}")
    counter.change("accept", "steady*")
    join = counter.token(uses=3, id_pattern="x*")
    for action, number, name in steps:
        key, minion = key_of(number), f"x{name}"
        before = {row.minion: row.key for row in counter.desk.accepted_rows()}
        try:
            if action == "ask":
                counter.ask(key, minion, address=f"192.0.2.{number}")
            elif action == "join":
                counter.ask(key, minion, join, address=f"192.0.2.{number}")
            elif action in ("accept", "reject", "delete"):
                counter.change(action, minion)  # type: ignore[arg-type]
            elif action == "glob":
                counter.change("reject" if number % 2 else "accept", "x*")
            elif action == "wait":
                counter.wait(3600.0 * number)
            else:
                counter.restart()
        except UsageError:
            assert {row.minion: row.key for row in counter.desk.accepted_rows()} == before
        rows = counter.desk.accepted_rows()
        assert len({row.minion for row in rows}) == len(rows) == counter.desk.fleet
        for row in rows:
            owner = before.get(row.minion)
            assert owner in (None, row.key)  # nobody was displaced
        assert all(counter.desk.is_accepted(each) for each in steady)
        assert counter.kept.tokens[join.token_id].used <= 3
        shown = counter.desk.key_infos()
        counter_after = Counter()
        counter_after.kept = counter.kept
        counter_after.restart()
        assert counter_after.desk.key_infos() == shown


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
