"""The packet filter for real, in a network namespace of its own."""

import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from support.hosts.scratch_machine import needs_scratch_machine, run_steps

pytestmark = [
    needs_scratch_machine(),
    pytest.mark.skipif(shutil.which("iptables") is None, reason="iptables is not installed"),
]


def step(call: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"call": call, "with": arguments}


def test_rules_come_to_their_place_and_go(tmp_path: Path) -> None:
    web = {"chain": "INPUT", "proto": "tcp", "dport": 80, "jump": "ACCEPT", "comment": "the web"}
    rules = str(tmp_path / "rules.v4")
    first, again, inserted, deleted, saved, unknown, found = run_steps(
        tmp_path,
        [
            step("iptables.append", name="web", require=[{"pkg": "iptables"}], **web),
            step("iptables.append", name="web", **web),
            step("iptables.insert", name="lo", position=1, chain="INPUT", jump="ACCEPT",
                 **{"if": "lo"}),
            step("iptables.delete", name="web", **web),
            step("iptables.append", name="drop", chain="INPUT", jump="DROP", save=rules),
            step("iptables.append", name="x", chain="NONE", jump="DROP"),
            step("iptables.get_rules"),
        ],
    )  # fmt: skip

    shown = '-p tcp --dport 80 -m comment --comment "the web" --jump ACCEPT'
    assert first["changes"] == {"locale": "web"}
    assert first["comment"].endswith(f"-t filter -A INPUT  {shown} for ipv4")
    assert again["changes"] == {}
    assert inserted["changes"] == {"locale": "lo"}
    assert deleted["changes"] == {"locale": "web"}
    assert saved["comment"].endswith(f'Wrote 1 lines to "{rules}"')
    assert "-A INPUT -j DROP" in Path(rules).read_text()
    assert unknown["result"] is False
    assert found["filter"]["INPUT"]["rules"] == ["-i lo -j ACCEPT", "-j DROP"]


def test_test_mode_announces_what_a_run_does_and_a_second_run_is_clean(tmp_path: Path) -> None:
    chance = random.Random(5)

    def some() -> dict[str, Any]:
        chain = chance.choice(["INPUT", "WEB"])
        rule: dict[str, Any] = {"chain": "INPUT", "jump": chance.choice(["ACCEPT", "DROP"])}
        rule.update(chance.choice([{"proto": "udp", "dport": 53}, {"source": "!10.0.0.0/8"}, {}]))
        return chance.choice(
            [
                step("iptables.append", name="a", **rule),
                step("iptables.insert", name="i", position=1, **rule),
                step("iptables.delete", name="d", **rule),
                step("iptables.set_policy", name="p", chain="INPUT",
                     policy=chance.choice(["DROP", "ACCEPT"])),
                step("iptables.chain_present", name="WEB"),
                step("iptables.chain_absent", name="WEB"),
                step("iptables.flush", name="f", chain="INPUT" if chain == "INPUT" else ""),
            ]
        )  # fmt: skip

    steps = [some() for _ in range(60)]
    answers = run_steps(tmp_path, [{**each, "law": True} for each in steps])

    for each, (announced, done, again, _) in zip(steps, answers, strict=True):
        assert done["result"] is True, (each, done)
        assert (announced["result"] is None) == bool(done["changes"]), (each, announced, done)
        if each["call"] != "iptables.delete":  # one of several equal rules goes at a time
            assert (again["result"], again["changes"]) == (True, {}), (each, again)
