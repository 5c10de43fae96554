"""Targets mean what they mean in Salt."""

import time
from collections.abc import Mapping
from typing import Any

import pytest

from limpet.common.control.requests import TargetKind
from limpet.common.errors import UsageError
from limpet.common.identifiers import MinionId
from limpet.common.targeting.target import compile_target
from limpet.common.targeting.terms import PILLAR

UBUNTU: dict[str, Any] = {
    "os": "Ubuntu",
    "os_family": "Debian",
    "osmajorrelease": 22,
    "roles": ["web", "Cache"],
    "ipv4": ["127.0.0.1", "10.0.3.7"],
    "ipv6": ["::1", "fe80::1%eth0", "2001:db8:0:0::7"],
    "ip4_interfaces": {"lo": ["127.0.0.1"], "eth0": ["10.0.3.7"]},
    "lsb": {"codename": "jammy", "releases": [{"name": "22.04"}]},
    "disks": [],
    "kernel:version": "6.1",
    "ec2": {"tags": {"Name": "shop:front"}},
}
GROUPS: dict[str, Any] = {
    "webs": "web*",
    "fronts": "N@webs or N@ids",
    "ids": ["lb1", "lb2"],
    "sentence": ["G@os:Ubuntu", "and", "web*"],
    "a": "N@b",
    "b": "N@c or web1",
    "c": "N@a",
    "nothing": "",
    "two terms": ["web*", "db*"],
}


def is_match(
    text: str, kind: TargetKind, minion: str = "web1", grains: Mapping[str, Any] = UBUNTU
) -> bool:
    return compile_target(text, kind, GROUPS).matches(MinionId(minion), grains)


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("glob", "*", True),
        ("glob", "web1", True),
        ("glob", "web", False),
        ("glob", "WEB1", True),
        ("glob", "web?", True),
        ("glob", "web[0-5]", True),
        ("glob", "web[!1]", False),
        ("glob", "*b*1", True),
        ("list", "db1,web1", True),
        ("list", "db1, web1", True),
        ("list", "db1 web1", True),
        ("list", "web1x,web", False),
        ("list", "web*", False),
        ("pcre", "web[0-9]+", True),
        ("pcre", "we", True),
        ("pcre", "eb1", False),
        ("pcre", "web$", False),
        ("pcre", "^(?!db).*", True),
        ("pcre", "^(?!web).*", False),
        ("pcre", "(web|db)1", True),
        ("grain", "os:Ubuntu", True),
        ("grain", "os:ubuntu", True),
        ("grain", "os:Ub*", True),
        ("grain", "os:Debian", False),
        ("grain", "osmajorrelease:22", True),
        ("grain", "roles:web", True),
        ("grain", "roles:cache", True),
        ("grain", "roles:we", False),
        ("grain", "roles:we?", True),
        ("grain", "ip4_interfaces:eth0", True),
        ("grain", "ip4_interfaces:*", True),
        ("grain", "ip4_interfaces:eth0:10.0.*", True),
        ("grain", "ip4_interfaces:eth1", False),
        ("grain", "ip4_interfaces:*:10.0.3.7", True),
        ("grain", "ip4_interfaces:*:10.9.9.9", False),
        ("grain", "lsb:codename:jammy", True),
        ("grain", "lsb:releases:name:22.04", True),
        ("grain", "lsb:releases:0:name:22.04", True),
        ("grain", "roles:1:cache", True),
        ("grain", "roles:7:cache", False),
        ("grain", "ec2:tags:Name:shop:front", True),
        ("grain", "*:jammy", False),
        ("grain", "*:codename:jammy", True),
        ("grain", "nowhere:*", False),
        ("grain", "disks:*", False),
        ("grain_pcre", "os_family:(RedHat|debian)", True),
        ("grain_pcre", "os:Ubu$", False),
        ("grain_pcre", "lsb:codename:^ja.*y$", True),
        ("grain_pcre", r"osmajorrelease:\d\d", True),
        ("ipcidr", "10.0.3.7", True),
        ("ipcidr", "10.0.0.0/16", True),
        ("ipcidr", "10.1.0.0/16", False),
        ("ipcidr", "2001:db8::/32", True),
        ("ipcidr", "2001:db8::7", True),
        ("ipcidr", "fe80::/10", True),
        ("nodegroup", "webs", True),
        ("nodegroup", "fronts", True),
        ("nodegroup", "ids", False),
        ("nodegroup", "sentence", True),
        ("compound", "web*", True),
        ("compound", "web1 and G@os:Ubuntu", True),
        ("compound", "web* and not G@os:Ubuntu", False),
        ("compound", "web* not db*", True),
        ("compound", "not db*", True),
        ("compound", "not not web1", True),
        ("compound", "db* or web* and G@os:Debian", False),
        ("compound", "web* or db* and G@os:Debian", True),
        ("compound", "( web* or db* ) and G@os:Debian", False),
        ("compound", "(web* or db*) and (G@os:Ubuntu)", True),
        ("compound", "E@(web|db)[0-9] and P@os:(Ubuntu|Debian)", True),
        ("compound", "(E@(web|db)[0-9])", True),
        ("compound", "L@web1,db1 and S@10.0.0.0/8", True),
        ("compound", "N@fronts and not N@ids", True),
        ("compound", "G|@kernel:version|6.*", True),
        ("compound", "P|@lsb|codename|ja", True),
    ],
)
def test_a_target_matches_as_in_salt(kind: TargetKind, text: str, expected: bool) -> None:
    assert is_match(text, kind) is expected


@pytest.mark.covers("B-36")
@pytest.mark.parametrize(
    ("kind", "text", "complaint"),
    [
        ("glob", "", "empty"),
        ("glob", "  ", "empty"),
        ("glob", "a\0", "null"),
        ("glob", "a" * 4097, "4096"),
        ("list", ",", "names no minion"),
        ("pcre", "web(", "not a regular expression"),
        ("pcre", "a{99999999999}", "not a regular expression"),
        ("pcre", "(" * 2000 + ")" * 2000, "not a regular expression"),
        ("pcre", r"(?:(a+)\1)+$", "take too long"),
        ("pcre", "(?:(?:a{30}){30}b*)+$", "take too long"),
        ("grain", "os", "a key, ':' and a pattern"),
        ("grain_pcre", "os", "a key, ':' and a pattern"),
        ("grain_pcre", "os:(", "not a regular expression"),
        ("ipcidr", "10.0.0.300", "neither an address nor a network"),
        ("ipcidr", "10.0.0.5/8", "host bits"),
        ("nodegroup", "unknown", "known: a, b, c"),
        ("nodegroup", "a", "a -> b -> c -> a"),
        ("nodegroup", "nothing", "is empty"),
        ("nodegroup", "two terms", "does not parse"),
        ("compound", "web* and", "the end"),
        ("compound", "and web*", "'and' at the beginning"),
        ("compound", "web* db*", "'db*' after 'web*' is not expected"),
        ("compound", "( web*", "where ')' is expected"),
        ("compound", "web* )", "')' after 'web*' is not expected"),
        ("compound", "( and web* )", "'and' after '('"),
        ("compound", "( )", "where a term is expected"),
        ("pillar", "web", "is not a grain target"),
        ("compound", "R@%web", "R@ is not known"),
        ("compound", "G@", "has no pattern"),
        ("compound", "( " * 33 + "web1" + " )" * 33, "deeper than 32"),
        ("compound", "( " * 1000 + "web1" + " )" * 1000, "deeper than 32"),
        ("compound", "not " * 34 + "web1", "deeper than 32"),
    ],
)
def test_a_wrong_target_is_refused_with_what_is_wrong(
    kind: TargetKind, text: str, complaint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        compile_target(text, kind, GROUPS)
    assert complaint in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.covers("B-36")
@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("(a+)+$", "a" * 127 + "b"),
        ("(a|a)*$", "a" * 127 + "b"),
        ("(a|aa)+$", "a" * 127 + "b"),
        ("a*a*a*a*a*a*b", "a" * 128),
        ("(?:a?){40}a{40}$", "a" * 39),
        ("(.*)*x", "a" * 128),
        ("(?:(?!b)a+)+c", "a" * 128),
        ("^(([a-z])+.)+[A-Z]([a-z])+$", "a" * 127 + "1"),
    ],
)
def test_a_catastrophic_expression_is_answered_at_once(text: str, subject: str) -> None:
    began = time.monotonic()
    assert not is_match(text, "pcre", subject)
    assert not is_match(f"os:{text}", "grain_pcre", "web1", {"os": subject * 8 + "!"})
    assert time.monotonic() - began < 5


def test_nested_repetition_that_is_written_in_good_faith_works() -> None:
    target = compile_target("web(-[0-9]+)*$", "pcre")

    assert target.matches(MinionId("web-1-22-333"), {})
    assert not target.matches(MinionId("web-1-x"), {})


def test_names_are_known_where_the_expression_spells_them_out() -> None:
    assert compile_target("Web1", "glob").names == frozenset(["web1"])
    assert compile_target("web1,db1", "list").names == frozenset(["web1", "db1"])
    assert compile_target("web*", "glob").names is None
    assert compile_target("web1 or db1", "compound").names is None


@pytest.mark.parametrize(
    "grains",
    [{}, {"ipv4": 3}, {"ipv4": [None, 7, "x", {}]}, {"ipv4": {"a": "b"}}, {"os": None}],
)
def test_odd_grains_match_nothing_and_raise_nothing(grains: dict[str, Any]) -> None:
    assert not is_match("10.0.0.0/8", "ipcidr", "web1", grains)
    assert not is_match("os:Ubuntu", "grain", "web1", grains)


@pytest.mark.covers("B-34")
def test_grains_too_deep_to_be_written_out_match_nothing_and_raise_nothing() -> None:
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    for text in ("a:x", "*:x", "*:*:x"):
        assert not is_match(text, "grain", "web1", {"a": deep, "b": {"c": deep}})
        assert not is_match(text, "grain_pcre", "web1", {"a": deep, "b": {"c": deep}})


@pytest.mark.covers("B-36")
def test_deep_grains_and_long_expressions_take_bounded_time() -> None:
    deep: dict[str, Any] = {"x": "y"}
    for _ in range(500):
        deep = {"a": deep}
    wide = {"a": {str(key): deep for key in range(2000)}, "b": ["v"] * 20_000}
    began = time.monotonic()

    for grains in (deep, wide):
        for path in ("*", "a", "b", "0"):
            text = f"{path}:" * 31 + "z"
            assert not is_match(text, "grain", "web1", grains)
            assert not is_match(text, "grain_pcre", "web1", grains)
        assert not is_match("b:z", "grain", "web1", grains)
    assert time.monotonic() - began < 5
    with pytest.raises(UsageError, match="more than 32 parts"):
        is_match("a:" * 32 + "z", "grain", "web1", deep)


@pytest.mark.parametrize(
    ("kind", "text", "known", "unknown"),
    [
        ("pillar", "role:we*", True, None),
        ("pillar", "role:db", False, None),
        ("pillar", "sites:a.org:port:443", True, None),
        ("pillar_pcre", "role:(web|db)", True, None),
        ("compound", "I@role:web and web*", True, None),
        ("compound", "I@role:web and db*", False, False),
        ("compound", "I@role:web or web*", True, True),
        ("compound", "not I@role:web", False, None),
        ("compound", "not ( I@role:db and db* )", True, True),
        ("compound", "J/@sites/a.org/port/4+3", True, None),
        ("nodegroup", "by pillar", True, None),
        ("compound", "G@os:Ubuntu", True, True),
    ],
)
def test_a_term_on_pillar_is_open_as_long_as_the_pillar_is_not_known(
    kind: TargetKind, text: str, known: bool, unknown: bool | None
) -> None:
    pillar = {"role": "web", "sites": {"a.org": {"port": 443}}}
    target = compile_target(text, kind, {"by pillar": "I@role:web and not I@role:db"})
    web1 = MinionId("web1")
    assert target.decide(web1, {**UBUNTU, PILLAR: pillar}) is known
    assert target.decide(web1, UBUNTU) is unknown
    assert target.matches(web1, UBUNTU) is (unknown is True)
