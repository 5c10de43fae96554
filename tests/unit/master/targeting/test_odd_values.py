"""Values whose JSON looks otherwise than what they are compared as, each with each odd pattern."""

import msgspec
import pytest

from limpet.common.control.requests import TargetKind
from limpet.common.identifiers import MinionId
from limpet.common.targeting.target import compile_target
from limpet.master.targeting.bounded_search import Search
from limpet.master.targeting.grains import LazyGrains
from limpet.master.targeting.index import FleetIndex

VALUES = [
    *('"x"', '"X1"', '"\\u0078"', '"a\\"b"', '"a\\\\b"', '"\u212a"', '"\u017fet"', '"10.0.0.1"'),
    *("22", "22.0", "2.2e1", "-0", "-0.0", "0", "1e30", "null", "true", "false", "[]", "{}", '""'),
    *('["x", "y"]', '["\\u0078"]', "[22.0]", "[null]", "[-0]", '["10.0.0.1","::1"]', "[[1, 2]]"),
    *('{"x": 1}', '{"x": ["y"]}', '{"a": {"x": null}}', '[{"x": "y"}]', '{"a": 2.2e1}', '"1\\/2"'),
]
PATTERNS = [
    *("x", "*x*", "x1", "X?", "K", "k*", "set", 'a"b', "a\\b", "a*b", "22", "22*", "22.0", "0"),
    *("-0", "0.0", "1e+30", "1e*", "None", "*on*", "True", "fal*", "1, 2", "*1, 2*", "*', '*"),
    *("'x': 1", "*{'x'*", "{'x': 'y'}", "x:y", "x:1", "a:x:none", "a:22*", "1/2", "10.0.*", "[x]"),
]


def check(values: list[str], key: str, text: str, kind: TargetKind) -> None:
    bodies = {
        MinionId(f"web{number}"): f'{{"{key}":{value}}}'.encode()
        for number, value in enumerate(values)
    }
    target = compile_target(text, kind)
    index = FleetIndex()
    for name, body in bodies.items():
        index.put(name, body)
    search = Search(index, target)
    assert search.advance(10**9)
    wanted = [name for name, body in bodies.items() if target.matches(name, LazyGrains(name, body))]
    assert search.meant == sorted(wanted)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_grain_is_found_whatever_its_json_looks_like(pattern: str) -> None:
    for values in (VALUES, *([value] for value in VALUES)):
        check(values, "a", f"a:{pattern}", "grain")


@pytest.mark.parametrize(
    "network", ["10.0.0.0/8", "10.0.0.0/9", "10.0.0.0/23", "10.0.1.7", "0.0.0.0/0", "::/0", "::1"]
)
def test_an_address_is_found_at_the_edges_of_its_network(network: str) -> None:
    addresses = ["10.0.0.0", "10.127.255.255", "10.128.0.0", "10.0.1.255", "10.0.2.0", "10.0.1.7"]
    odd = ["110.0.1.7", "10.0.1.77", "010.0.1.7", "10.0.1.7%eth0", "::1", "fe80::1%lo", "", "x"]
    values = [msgspec.json.encode([each]).decode() for each in (*addresses, *odd)]
    values += ['"10.0.1.7"', '["10.0.1\\u002e7"]', "null", "[1]"]
    for key in ("ipv4", "ipv6"):
        check(values, key, network, "ipcidr")


def test_letters_that_match_others_without_regard_to_case() -> None:
    index = FleetIndex()
    for name in ("k1", "set", "x"):
        index.put(MinionId(name), b"")
    for text, wanted in (("\u212a*", "k1"), ("\u017fe*", "set"), ("K?", "k1"), ("s\u0065*", "set")):
        search = Search(index, compile_target(text, "glob"))
        assert search.advance(10**9)
        assert search.meant == [wanted]
