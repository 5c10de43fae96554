"""Laws of target expressions, over expressions that nobody would think of."""

import fnmatch
import ipaddress
import re
import warnings
from unittest.mock import patch

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from limpet.common.control.requests import TargetKind
from limpet.common.errors import UsageError
from limpet.common.identifiers import MinionId
from limpet.common.targeting import automaton
from limpet.common.targeting.target import compile_target

IDS = st.text("abc12.-", min_size=1, max_size=12)
GLOBS = st.text("abc12.-*?", min_size=1, max_size=10).filter(lambda text: bool(text.strip()))


def regexes() -> st.SearchStrategy[str]:
    atoms = st.sampled_from(
        ["a", "b", "-", ".", "[ab]", "[^a]", r"\d", r"\w", r"\W", "^", "$", r"\b", "(?=a)", "(?!b)"]
    )
    return st.recursive(
        atoms,
        lambda inner: st.one_of(
            st.tuples(inner, inner).map("".join),
            st.tuples(inner, inner).map(lambda pair: f"(?:{pair[0]}|{pair[1]})"),
            st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "*?", "+?"])).map(
                lambda pair: f"(?:{pair[0]}){pair[1]}"
            ),
        ),
        max_leaves=8,
    )


@given(regexes(), st.text("ab-1 ", max_size=7))
@settings(max_examples=400, deadline=None)
def test_the_automaton_agrees_with_re(text: str, subject: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = re.match(text, subject, re.IGNORECASE) is not None
    with patch.object(automaton, "COST_MAX", 0):  # everything is too costly for `re`
        search = automaton.compile_regex(text, 128)

    assert search(subject) is expected


@given(regexes(), IDS)
@settings(deadline=None)
def test_a_regular_expression_target_agrees_with_re(text: str, minion: str) -> None:
    expected = re.match(text, minion, re.IGNORECASE) is not None

    assert compile_target(text, "pcre").matches(MinionId(minion), {}) is expected


@given(GLOBS, IDS)
def test_a_glob_agrees_with_fnmatch(text: str, minion: str) -> None:
    assert compile_target(text, "glob").matches(MinionId(minion), {}) is fnmatch.fnmatchcase(
        minion, text
    )


@given(GLOBS, GLOBS, IDS)
def test_and_or_not_are_the_logic_of_their_parts(left: str, right: str, minion: str) -> None:
    words = ("and", "or", "not")
    assume(left not in words and right not in words)
    name = MinionId(minion)
    a = compile_target(left, "glob").matches(name, {})
    b = compile_target(right, "glob").matches(name, {})

    def compound(text: str) -> bool:
        return compile_target(text, "compound").matches(name, {})

    assert compound(f"{left} and {right}") is (a and b)
    assert compound(f"{left} or {right}") is (a or b)
    assert compound(f"not {left}") is (not a)
    assert compound(f"not ( {left} or {right} )") is compound(f"not {left} and not {right}")


@given(
    st.text(max_size=60),
    st.sampled_from(
        ["glob", "list", "pcre", "grain", "grain_pcre", "ipcidr", "nodegroup", "compound"]
    ),
)
def test_any_text_compiles_or_is_a_usage_error(text: str, kind: str) -> None:
    try:
        target = compile_target(text, kind, {"web": "web*"})  # type: ignore[arg-type]
    except UsageError:
        return
    assert target.matches(MinionId("web1"), {"os": "Ubuntu"}) in (True, False)


@given(st.lists(st.sampled_from(["and", "or", "not", "(", ")", "web*", "G@os:U*"]), max_size=12))
def test_any_row_of_words_compiles_or_is_a_usage_error(words: list[str]) -> None:
    try:
        target = compile_target(" ".join(words), "compound")
    except UsageError:
        return
    assert target.matches(MinionId("web1"), {"os": "Ubuntu"}) in (True, False)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc*"), inner),
    max_leaves=10,
)


@given(
    st.dictionaries(st.sampled_from("abc*"), JSON),
    st.lists(st.sampled_from(["a", "b", "c", "*", "0", "1"]), min_size=2, max_size=5),
)
def test_no_grains_make_a_match_raise(grains: dict[str, object], path: list[str]) -> None:
    text = ":".join(path)
    kinds: tuple[TargetKind, ...] = ("grain", "grain_pcre")
    for kind in kinds:
        try:
            target = compile_target(text, kind)
        except UsageError:
            continue
        assert target.matches(MinionId("web1"), grains) in (True, False)


ADDRESSES = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(str),
    st.from_regex(r"\A[0-9]{1,3}(\.[0-9]{1,3}){2,4}(%eth0)?\Z"),
    st.text("0123456789.:%/ ٣", max_size=12),
)
NETWORKS = st.sampled_from(
    ["10.0.0.0/8", "0.0.0.0/0", "1.2.3.4", "128.0.0.0/1", "::/0", "fe80::/10", "::1", "1.1.0.0/17"]
)


@given(NETWORKS, st.lists(ADDRESSES, max_size=3), NETWORKS)
@settings(max_examples=400)
def test_networks_hold_the_addresses_that_ipaddress_finds_in_them(
    text: str, addresses: list[str], near: str
) -> None:
    network = ipaddress.ip_network(text)
    addresses = [*addresses, near.partition("/")[0]]

    def is_inside(address: str) -> bool:
        try:
            return ipaddress.ip_address(address.partition("%")[0]) in network
        except ValueError:
            return False

    grains = {f"ipv{network.version}": addresses}
    target = compile_target(text, "ipcidr")
    assert target.matches(MinionId("web1"), grains) is any(map(is_inside, addresses))
