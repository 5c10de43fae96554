"""A search over the index means what judging each minion by itself means, whatever changes."""

from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from limpet.common.control.requests import TargetKind
from limpet.common.errors import UsageError
from limpet.common.identifiers import MinionId
from limpet.common.targeting.target import Target, compile_target
from limpet.master.targeting.bounded_search import Search
from limpet.master.targeting.grains import LazyGrains
from limpet.master.targeting.index import FleetIndex

Bodies = dict[MinionId, bytes]

GROUPS = {"webs": "web* or N@ids", "ids": ["db1", "a"], "deep": "N@webs and not G@os:x*"}
IDS = st.sampled_from(
    [f"{name}{number}" for name in ("web", "db", "a", "web-x.") for number in ("", 1, 2, 12)]
).map(MinionId)
TEXTS = st.sampled_from(
    [
        "x",
        "X1",
        "Ubuntu",
        "ubuntu 22",
        "K",
        "\u017fet",
        "\u212a",
        'a"b',
        "a\\b",
        "10.0.0.1",
        "",
        "web",
    ]
) | st.text("xX1 .*\n\0é", max_size=4)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 30)
    | st.sampled_from([0.5, -0.0, 1e30, 22.0, 1e-9])
    | TEXTS
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["os", "x", "1", "0", "*"]), inner, max_size=3)
    ),
    max_leaves=6,
)
KEYS = st.sampled_from(["os", "roles", "x", "*", "1", "ipv4", "ipv6", "id", ""])
ADDRESSES = st.lists(
    st.sampled_from(
        ["10.0.0.1", "10.1.2.3", "010.0.0.1", "10.0.0.1%eth0", "::1", "fe80::1%lo", "nonsense", " "]
    ),
    max_size=3,
)
GRAINS = st.dictionaries(KEYS, VALUES | ADDRESSES, max_size=5)
BODIES = st.one_of(
    GRAINS.map(msgspec.json.encode),
    GRAINS.map(lambda grains: msgspec.json.format(msgspec.json.encode(grains), indent=1)),
    st.sampled_from(
        [b"", b"[]", b"{", b'{"os":"\xff"}', b'{"os":1e999}', b'{"x":1,"os":"\\u0078","x":"x"}']
    ),
)

PARTS = st.sampled_from(
    [
        "os",
        "x",
        "X1",
        "*",
        "x*",
        "?",
        "[xu]*",
        "1",
        "0",
        "ubuntu",
        "k",
        "set",
        "22*",
        "None",
        "0.0",
        "true",
        "-0",
        "*'*",
        "10.0.*",
        "K",
        "*]",
        "1e+30",
        "22.0",
        "\u212a",
        'a"*',
        "*\\*",
    ]
)
GRAIN_PATTERNS = st.builds(
    lambda key, parts: ":".join([key, *parts]), KEYS, st.lists(PARTS, min_size=1, max_size=3)
)
REGEXES = st.sampled_from(
    ["x", ".*1", "(x|u)", "^$", r"\d+", "(x+)+1", "(?!x)", ".*b.*n", "(a|b)*(.*2)+", "[^x]"]
)
TERMS = st.one_of(
    GRAIN_PATTERNS.map("G@{}".format),
    GRAIN_PATTERNS.map(lambda text: f"G|@{text.replace(':', '|')}"),
    st.builds("P@{}:{}".format, KEYS, REGEXES),
    REGEXES.map("E@{}".format),
    st.lists(IDS, min_size=1, max_size=3).map(lambda ids: f"L@{','.join(ids)}"),
    st.sampled_from(
        [
            "S@10.0.0.0/8",
            "S@10.0.0.0/9",
            "S@10.1.0.0/16",
            "S@10.1.2.0/23",
            "S@10.0.0.1",
            "S@::/0",
            "S@fe80::/10",
            "N@webs",
            "N@deep",
            "N@ids",
        ]
    ),
    st.sampled_from(["I@role:x", "J@role:.*"]),
    st.sampled_from(["*", "web*", "web?*", "*1", "[wd]*", "WEB1", "web1", "\u017f*", "a*"]),
)
JOINS = st.sampled_from([" and ", " or ", " and not ", " or not "])


def joined(parts: st.SearchStrategy[str], *, least: int) -> st.SearchStrategy[str]:
    """Join parts by and, or, not, as they come."""
    more = st.lists(st.tuples(JOINS, parts).map("".join), min_size=least - 1, max_size=3)
    return st.tuples(st.sampled_from(["", "not "]), parts, more.map("".join)).map("".join)


EXPRESSIONS = joined(TERMS | joined(TERMS, least=2).map("( {} )".format), least=1)
FLEETS = st.dictionaries(IDS, BODIES, min_size=3, max_size=14)


def compiled(text: str) -> Target | None:
    try:
        return compile_target(text, "compound", GROUPS)
    except UsageError:  # a delimiter inside of a pattern, an empty key and the like
        return None


def by_itself(target: Target, bodies: Bodies) -> tuple[list[MinionId], list[MinionId]]:
    judged = {name: target.decide(name, LazyGrains(name, body)) for name, body in bodies.items()}
    return (
        sorted(name for name, meant in judged.items() if meant is True),
        sorted(name for name, meant in judged.items() if meant is None),
    )


def index_of(bodies: Bodies) -> FleetIndex:
    index = FleetIndex()
    for name, body in bodies.items():
        index.put(name, body)
    return index


def change(index: FleetIndex, bodies: Bodies, name: MinionId, body: bytes | None) -> None:
    if body is None:
        index.remove(name)
        bodies.pop(name, None)
    else:
        index.put(name, body)
        bodies[name] = body


CHANGES = st.lists(st.tuples(IDS, st.none() | BODIES), max_size=8)


@given(FLEETS, CHANGES, EXPRESSIONS)
@settings(max_examples=300, deadline=None)
def test_a_search_finds_whom_the_expression_means(
    bodies: Bodies, changes: list[tuple[MinionId, bytes | None]], text: str
) -> None:
    target = compiled(text)
    if target is None:
        return
    index = index_of(bodies)
    for name, body in changes:
        change(index, bodies, name, body)
    search = Search(index, target)
    assert search.advance(10**9)
    assert (search.meant, search.open) == by_itself(target, bodies)


@given(FLEETS, CHANGES, EXPRESSIONS, st.integers(1, 40))
@settings(max_examples=200, deadline=None)
def test_what_changes_on_the_way_is_judged_as_it_is_in_the_end(
    bodies: Bodies, changes: list[tuple[MinionId, bytes | None]], text: str, share: int
) -> None:
    target = compiled(text)
    if target is None:
        return
    index = index_of(bodies)
    search = Search(index, target)
    is_over = search.advance(1)
    for name, body in changes:
        if is_over:
            break
        change(index, bodies, name, body)
        is_over = search.advance(share)
    while not is_over:
        is_over = search.advance(share)
    assert (search.meant, search.open) == by_itself(target, bodies)


@given(FLEETS, CHANGES)
def test_after_all_are_forgotten_nothing_is_left(
    bodies: Bodies, changes: list[tuple[MinionId, bytes | None]]
) -> None:
    index = index_of(bodies)
    for name, body in changes:
        change(index, bodies, name, body)
    assert index.order == sorted(bodies)
    for name in list(bodies):
        index.remove(name)
    assert len(index) == 0
    assert index.everybody == 0
    assert all(index.column(key) is None for key in ("os", "roles", "x", "*", "1", "id", ""))


@given(st.sampled_from(["grain", "grain_pcre"]), FLEETS, KEYS, REGEXES | PARTS)
@settings(max_examples=100, deadline=None)
def test_single_terms_go_the_same_way(
    kind: TargetKind, bodies: Bodies, key: str, pattern: str
) -> None:
    try:
        target = compile_target(f"{key}:{pattern}", kind)
    except UsageError:
        return
    search = Search(index_of(bodies), target)
    assert search.advance(10**9)
    assert search.meant == by_itself(target, bodies)[0]


def many(number: int, body: Callable[[int], Any]) -> Bodies:
    return {MinionId(f"web{each:04d}"): msgspec.json.encode(body(each)) for each in range(number)}


def test_values_of_many_and_of_few_are_found_alike() -> None:
    bodies = many(500, lambda each: {"os": "x" if each % 2 else "y", "rack": each // 70, "n": each})
    index = index_of(bodies)
    for text in (
        "G@os:x",
        "G@rack:3",
        "G@n:77",
        "G@os:x and not G@rack:1",
        "web00* and G@rack:[01]",
    ):
        target = compiled(text)
        assert target is not None
        search = Search(index, target)
        assert search.advance(10**9)
        assert search.meant == by_itself(target, bodies)[0] != []
    for name in list(bodies)[::2]:
        change(index, bodies, name, msgspec.json.encode({"os": "x", "rack": 3}))
    for name in list(bodies)[::5]:
        change(index, bodies, name, None)
    for text in ("G@os:x", "G@os:y", "G@rack:3", "G@n:*"):
        target = compiled(text)
        assert target is not None
        search = Search(index, target)
        assert search.advance(10**9)
        assert search.meant == by_itself(target, bodies)[0]


@given(
    st.lists(st.integers(0, 99), min_size=150, max_size=200),
    st.permutations(["P@fqdn:.*[13].*", "P@host:h[0-6].*", "G@serial:*4*", "not P@mac:.*[89]"]),
)
@settings(max_examples=60, deadline=None)
def test_values_that_hosts_have_of_their_own_are_told_apart_whoever_is_left(
    shared: list[int], parts: list[str]
) -> None:
    bodies = {
        MinionId(f"web{number}"): msgspec.json.encode(
            {
                "fqdn": f"f{number}",
                "host": f"h{same}",  # several have the same
                "serial": f"s{number * 7 % 1000}",
                "mac": f"m{number if same < 90 else 8}",
            }
        )
        for number, same in enumerate(shared)
    }
    index = FleetIndex()
    for name, body in bodies.items():
        index.put(name, body)
    target = compile_target(" and ".join(parts), "compound", {})
    search = Search(index, target)
    assert search.advance(10**9)
    assert search.meant == [
        name for name in sorted(bodies) if target.matches(name, LazyGrains(name, bodies[name]))
    ]
