"""Users and groups with the real tools, on a copy of /etc."""

import random
from pathlib import Path
from typing import Any

import pytest

from support.hosts.scratch_machine import needs_scratch_machine, run_steps

pytestmark = needs_scratch_machine()

HASH = "$6$salt$hash"


def present(name: str, **more: object) -> dict[str, Any]:
    return {"call": "user.present", "with": {"name": name, **more}}


def test_a_user_comes_with_all_that_is_asked_and_goes_again(tmp_path: Path) -> None:
    home = str(tmp_path / "ann")
    created, again, information, shadow, tested, gone, group = run_steps(
        tmp_path,
        [
            present("lpt-ann", uid=29001, home=home, shell="/bin/bash", fullname="Ann",
                    groups=["adm"], optional_groups=["no-such"], password=HASH, mindays=3),
            present("lpt-ann", uid=29001, home=home, groups=["adm"], password=HASH, mindays=3),
            {"call": "user.info", "with": {"name": "lpt-ann"}},
            {"call": "shadow.info", "with": {"name": "lpt-ann"}},
            {"call": "user.absent", "with": {"name": "lpt-ann"}, "test": True},
            {"call": "user.absent", "with": {"name": "lpt-ann", "purge": True}},
            {"call": "group.info", "with": {"name": "lpt-ann"}},
        ],
    )  # fmt: skip

    assert created["comment"] == "New user lpt-ann created"
    assert created["changes"]["password"] == "XXX-REDACTED-XXX"
    assert created["changes"]["groups"] == ["adm", "lpt-ann"]
    assert (again["result"], again["changes"]) == (True, {})
    assert (information["home"], information["fullname"]) == (home, "Ann")
    assert (shadow["passwd"], shadow["min"]) == (HASH, 3)
    assert tested["result"] is None
    assert gone["changes"] == {"lpt-ann group": "removed", "lpt-ann": "removed"}
    assert (group, Path(home).exists()) == ({}, False)


def test_a_password_is_never_seen_and_not_set_again(tmp_path: Path) -> None:
    plain = {"password": "open sesame", "hash_password": True}
    answers = run_steps(
        tmp_path,
        [
            present("lpt-ann", createhome=False, home="/nowhere", **plain),
            present("lpt-ann", createhome=False, **plain),
            {**present("lpt-ann", createhome=False, password=HASH), "test": True},
            present("lpt-ann", createhome=False, password=HASH, enforce_password=False),
            present("lpt-ann", createhome=False, password="a:b"),
            present("lpt-ann", createhome=False, empty_password=True),
            {"call": "shadow.info", "with": {"name": "lpt-ann"}},
        ],
    )

    _, again, announced, kept, refused, emptied, shadow = answers
    assert again["comment"] == "User lpt-ann is present and up to date"
    assert announced["comment"].endswith("passwd: XXX-REDACTED-XXX\n")
    assert kept["changes"] == {}
    assert refused["result"] is False
    assert emptied["changes"]["passwd"] == "XXX-REDACTED-XXX"
    assert shadow["passwd"] == ""
    assert "sesame" not in str(answers)


def test_numbers_change_only_when_that_is_asked_for_twice(tmp_path: Path) -> None:
    refused, changed = run_steps(
        tmp_path,
        [
            present("lpt-ann", uid=29001, createhome=False),
            present("lpt-ann", uid=29002, createhome=False),
            present("lpt-ann", uid=29002, createhome=False, allow_uid_change=True),
        ],
    )[1:]

    assert refused["result"] is False
    assert "Changing uid (29001 -> 29002) not permitted" in refused["comment"]
    assert changed["changes"] == {"uid": 29002}


@pytest.mark.parametrize("name", ["--help", "a:b", "a b", "x\nroot2::0:0::/:/bin/sh", "a/b"])
def test_an_odd_name_is_refused_before_any_tool_sees_it(tmp_path: Path, name: str) -> None:
    user, group, added = run_steps(
        tmp_path,
        [
            present(name),
            {"call": "group.present", "with": {"name": name}},
            {"call": "group.present", "with": {"name": "lpt-g", "addusers": [name]}},
        ],
    )

    assert "can't be the name of a user" in user["comment"]
    assert "can't be the name of a group" in group["comment"]
    assert added["result"] is False


def test_test_mode_announces_what_a_run_does_and_a_second_run_is_clean(tmp_path: Path) -> None:
    chance = random.Random(7)
    users: dict[str, list[Any]] = {
        "uid": [29001, 29002, None], "gid": ["games", 29003, None], "home": ["/nowhere", "/x y"],
        "groups": [["adm"], ["adm", "games"], [], ["lpt-g"]], "remove_groups": [True, False],
        "optional_groups": [["tape", "nope"]], "shell": ["/bin/sh", "/bin/bash"],
        "password": [HASH, "$6$o$ther"], "enforce_password": [True, False],
        "empty_password": [True, False], "fullname": ["A", "B C", ""], "other": ["o,o"],
        "mindays": [0, 5], "expire": [21000, "2030-01-01", -1], "password_lock": [True, False],
        "allow_uid_change": [True], "allow_gid_change": [True],
    }  # fmt: skip
    groups: dict[str, list[Any]] = {
        "gid": [29010, 29011], "members": [["root"], ["root", "games"], []],
        "system": [True, False],
    }  # fmt: skip
    more: dict[str, list[Any]] = {
        "addusers": [["root"], ["games"]],
        "delusers": [["bin"], ["root"]],
    }

    def some(choices: dict[str, list[Any]]) -> dict[str, Any]:
        return {key: chance.choice(of) for key, of in choices.items() if chance.random() < 0.4}

    steps = []
    for _ in range(16):
        name = chance.choice(["lpt-a", "lpt-b"])
        steps.append(present(name, createhome=False, **some(users)))
        chosen = some(groups if chance.random() < 0.5 else more)
        steps.append({"call": "group.present", "with": {"name": "lpt-g", **chosen}})
        if chance.random() < 0.3:
            gone = chance.choice(["user.absent", "group.absent"])
            steps.append({"call": gone, "with": {"name": "lpt-g" if gone[0] == "g" else name}})

    answers = run_steps(tmp_path, [{**step, "law": True} for step in steps])

    for step, (announced, done, again, touched) in zip(steps, answers, strict=True):
        assert touched == [], step
        if done["result"] is not True:
            continue
        assert (announced["result"] is None) == bool(done["changes"]), (step, announced, done)
        assert (again["result"], again["changes"]) == (True, {}), (step, again)
    assert sum(done["result"] is True for _, done, _, _ in answers) > len(steps) // 2
