"""Rules of the packet filter as words."""

from typing import Any

import pytest

from limpet.common.errors import HostError
from limpet.states.functions import registry
from limpet.states.functions.iptables.rules import shown, words_of
from limpet.states.ports.machine import Command, Completed
from support.fakes.host import FakeCommands, FakeHost, make_context

SAVED = """# Generated
*filter
:INPUT ACCEPT [12:34]
:WEB - [0:0]
-A INPUT -p tcp -m tcp --dport 22 -m comment --comment "a b" -j ACCEPT
COMMIT
"""


@pytest.mark.parametrize(
    "parts, rule",
    [
        ({"match": "state", "jump": "ACCEPT", "connstate": "NEW", "dport": 80, "proto": "tcp"},
         "-p tcp -m state --state NEW --dport 80 --jump ACCEPT"),
        ({"connstate": ["RELATED", "ESTABLISHED"], "match": "conntrack", "jump": "ACCEPT"},
         "-m conntrack --ctstate RELATED,ESTABLISHED --jump ACCEPT"),
        ({"jump": "ACCEPT", "source": "!10.0.0.0/8", "if": "lo", "of": "eth1"},
         "-i lo -o eth1 ! --source 10.0.0.0/8 --jump ACCEPT"),
        ({"jump": "ACCEPT", "source": "not 10.0.0.0/8"}, "! --source 10.0.0.0/8 --jump ACCEPT"),
        ({"jump": "REJECT", "dports": ["80", 443], "proto": "tcp"},
         "-p tcp -m multiport --dports 80,443 --jump REJECT"),
        ({"jump": "LOG", "log-prefix": "ab c", "comment": "why not"},
         '-m comment --comment "why not" --jump LOG --log-prefix "ab c"'),
        ({"jump": "DNAT", "to-destination": "1.2.3.4:80", "in-interface": "eth0"},
         "--in-interface eth0 --jump DNAT --to-destination 1.2.3.4:80"),
        ({"jump": "REDIRECT", "to-port": 8080, "table": "nat", "chain": "X", "save": True,
          "require": [{"pkg": "x"}], "__id__": "i"},
         "--require {'pkg': 'x'} --jump REDIRECT --to-ports 8080"),
        ({"jump": "ACCEPT", "match-set": "!set src", "fragment": ""},
         "-m set ! --match-set set src --fragment --jump ACCEPT"),
    ],
)  # fmt: skip
def test_a_rule_is_put_together_in_salts_order(parts: dict[str, Any], rule: str) -> None:
    built = {key: each for key, each in parts.items() if key != "require"}
    expected = rule.replace("--require {'pkg': 'x'} ", "")
    assert shown(words_of(built)) == expected


@pytest.mark.parametrize(
    "parts", [{"jump": "X", "source": "--evil"}, {"comment": "a\nb"}, {"dports": "1,2"}]
)
def test_what_can_be_no_part_of_a_rule_is_refused(parts: dict[str, Any]) -> None:
    with pytest.raises(HostError):
        words_of(parts)


def test_the_rules_are_told_by_table_and_chain() -> None:
    def answer(command: Command) -> Completed:
        return Completed(1, 0, SAVED.encode(), b"")

    programs = {"iptables": "/sbin/iptables", "iptables-save": "/sbin/iptables-save"}
    context = make_context(FakeHost(FakeCommands(programs, answer)))

    rules = registry.call("iptables.get_rules", [], {}, context)

    rule = '-p tcp -m tcp --dport 22 -m comment --comment "a b" -j ACCEPT'
    assert rules["filter"]["INPUT"] == {
        "policy": "ACCEPT", "packet count": "12", "byte count": "34", "rules": [rule],
        "rules_comment": {"a b": rule},
    }  # fmt: skip
    assert registry.call("iptables.get_policy", ["filter", "WEB"], {}, context) == "-"
    with pytest.raises(HostError, match="ipv4 or ipv6"):
        registry.call("iptables.check", ["filter", "INPUT", "-j X", "ipx"], {}, context)
    with pytest.raises(HostError, match="can't be a table, chain or policy"):
        registry.call("iptables.new_chain", ["filter", "-F"], {}, context)
