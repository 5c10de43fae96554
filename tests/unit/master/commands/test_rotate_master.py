"""`limpet keys rotate-master`, `keys show --master`, and who knows the next keys."""

import json

import pytest

from limpet.common.control.replies import (
    LeftBehind,
    MasterStatus,
    MinionRow,
    Minions,
    Refused,
    Rotation,
)
from limpet.common.control.requests import AskStatus, ListMinions, RotateMaster
from limpet.common.crypto.keys import fingerprint
from limpet.master.commands import rotate_master
from support.command_line import Limpet
from support.fakes.master import FakeMaster

OLD, NEW, SITE = "aa" * 32, "bb" * 32, "5e" * 32
WHY = "was never told the next keys of the master, and is not here now"


def rotation(*, is_done: bool = True, left: int = 0, tokens: int = 0) -> Rotation:
    """Make an answer, with so many that are left behind."""
    named = tuple(LeftBehind(f"db{number}\x1b", WHY) for number in range(left))
    return Rotation(is_done, OLD, NEW, ("web1", "web2"), 2, named, left, tokens)


def status(key: str = NEW) -> MasterStatus:
    """Make the status of a master with this key."""
    return MasterStatus(
        "1", 1.0, "s", 1, 2, 2, {}, {}, (), public_key=key, next_keys=(NEW,), site_key=SITE
    )


def test_what_was_done_and_what_is_left_to_do_is_told(master: FakeMaster, limpet: Limpet) -> None:
    master.on(RotateMaster, rotation(left=1, tokens=3))
    master.on(AskStatus, status(OLD))
    master.on(AskStatus, status())

    ran = limpet("keys", "rotate-master", "--yes")

    assert ran.code == 0
    assert (
        f"old key:  {fingerprint(bytes.fromhex(OLD))}\nnew key:  {fingerprint(bytes.fromhex(NEW))}"
    ) in ran.out
    assert "2 minions know the new key" in ran.out
    assert "1 must join anew" in ran.out
    assert f"  db0\\x1b: {WHY}" in ran.out
    assert "limpet minion setup --join" in ran.out
    assert "dead (3 are open)" in ran.out
    (asked, *_) = master.requests
    assert (asked.is_fresh, asked.is_sure, asked.expected) == (False, True, "")


def test_without_being_sure_nothing_is_done_and_the_names_are_on_stderr(
    master: FakeMaster, limpet: Limpet
) -> None:
    master.on(RotateMaster, rotation(is_done=False, left=rotate_master.NAMED_MAX + 5))

    ran = limpet("keys", "rotate-master", "--fresh")

    assert (ran.code, ran.out) == (1, "")
    assert "2 minions would follow. These would not:" in ran.err
    assert "… and 5 more" in ran.err
    assert "nothing was changed" in ran.err
    assert master.requests[0].is_fresh
    assert len(master.requests) == 1


def test_a_document_has_it_all(master: FakeMaster, limpet: Limpet) -> None:
    master.on(RotateMaster, rotation(is_done=False, left=2))

    ran = limpet("keys", "rotate-master", "--format", "json")

    assert ran.code == 1
    assert json.loads(ran.out) == {
        "is_done": False,
        "old": {"key": OLD, "fingerprint": fingerprint(bytes.fromhex(OLD))},
        "new": {"key": NEW, "fingerprint": fingerprint(bytes.fromhex(NEW))},
        "following": ["web1", "web2"],
        "following_count": 2,
        "left_behind": {"db0\x1b": WHY, "db1\x1b": WHY},
        "left_behind_count": 2,
        "dead_tokens": 0,
    }


def test_a_refusal_is_told(master: FakeMaster, limpet: Limpet) -> None:
    master.on(RotateMaster, Refused("failed", "the master's key is not changed: no space left"))

    ran = limpet("keys", "rotate-master")

    assert ran.code == 1
    assert "no space left" in ran.err


def test_a_master_that_does_not_come_back_is_told(
    master: FakeMaster, limpet: Limpet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotate_master, "BACK_S", 0.3)
    master.on(RotateMaster, rotation())
    for _ in range(10):
        master.on(AskStatus, status(OLD))

    ran = limpet("keys", "rotate-master")

    assert ran.code == 1
    assert "no master has answered with it" in ran.err


def test_the_masters_keys_are_shown(master: FakeMaster, limpet: Limpet) -> None:
    master.on(AskStatus, status(OLD))
    master.on(AskStatus, status(OLD))

    shown = limpet("keys", "show", "--master")
    data = json.loads(limpet("keys", "show", "--master", "--format", "json").out)

    assert [line.split()[0] for line in shown.out.splitlines()] == [
        *("master_key:", "fingerprint:", "next:", "site:")
    ]
    assert data["next"] == [fingerprint(bytes.fromhex(NEW))]
    assert data["site"] == fingerprint(bytes.fromhex(SITE))


def test_who_would_not_follow_has_a_remark(master: FakeMaster, limpet: Limpet) -> None:
    rows = (
        MinionRow("db1", "offline", 1.0, "0.1.0", "", (), "", "", WHY),
        MinionRow("web1", "ready", 1.0, "0.2.0", "", (), "", ""),
    )
    master.on(ListMinions, Minions(rows))
    master.on(ListMinions, Minions(rows))

    lines = limpet("minions").out.splitlines()
    data = json.loads(limpet("minions", "--format", "json").out)["minions"]

    assert lines[1].endswith(WHY)
    assert {name: row["knows_next_keys"] for name, row in data.items()} == {
        "db1": False,
        "web1": True,
    }
