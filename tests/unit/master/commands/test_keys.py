"""`limpet keys`: what is changed is what was shown."""

import json

import pytest

from limpet.common.control.replies import KeyInfo, Keys
from limpet.common.control.requests import ChangeKeys, ListKeys
from support.command_line import Limpet
from support.fakes.master import FakeMaster

WEB1 = KeyInfo("web1", "pending", "1f0c 92ab", 1_764_000_000.0, "192.0.2.7", "")
WEB2 = KeyInfo("web2", "pending", "77aa 01bc", 1_764_000_000.0, "192.0.2.8", "tok1")
DB1 = KeyInfo("db1", "accepted", "aaaa bbbb", 1_764_000_000.0, "", "")


@pytest.fixture
def is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command believe that it runs on a terminal."""
    monkeypatch.setattr("limpet.master.commands.keys.is_terminal", lambda stream: True)


def test_keys_are_listed_by_state_with_fingerprints(master: FakeMaster, limpet: Limpet) -> None:
    master.on(ListKeys, Keys((DB1, WEB1, WEB2)))

    assert limpet("keys", "list").out == (
        "Accepted keys:\n"
        "  db1   aaaa bbbb  since 2025-11-24 16:00:00\n"
        "Pending keys:\n"
        "  web1  1f0c 92ab  since 2025-11-24 16:00:00  from 192.0.2.7\n"
        "  web2  77aa 01bc  since 2025-11-24 16:00:00  from 192.0.2.8\n"
        "Rejected keys:\n"
    )
    pending = limpet("keys", "list", "--state", "pending", "--format", "json")
    assert [key["minion"] for key in json.loads(pending.out)["keys"]] == ["web1", "web2"]


@pytest.mark.covers("B-70")
def test_a_name_that_tries_to_deceive_is_shown_escaped(master: FakeMaster, limpet: Limpet) -> None:
    evil = KeyInfo("web1\x1b[8m", "pending", "ff\x1b[2J", 1.0, "\r192.0.2.1", "\n")
    master.on(ListKeys, Keys((evil,)))
    master.on(ChangeKeys, Keys((evil,)))

    for words in (("list",), ("show", "*"), ("accept", "web1"), ("list", "--format", "json")):
        ran = limpet("keys", *words)
        assert all(line.isprintable() for line in (ran.out + ran.err).split("\n"))


def test_one_id_is_accepted_by_its_fingerprint(master: FakeMaster, limpet: Limpet) -> None:
    master.on(ChangeKeys, Keys((WEB1,)))

    ran = limpet("keys", "accept", "web1")

    assert (ran.code, ran.out) == (0, "accepted web1  1f0c 92ab\n")
    dry, real = master.requests
    assert (dry.patterns, dry.is_all, dry.is_dry) == (("web1",), False, True)
    assert (real.action, real.patterns, real.is_all, real.is_dry) == (
        "accept",
        ("1f0c 92ab",),
        False,
        False,
    )


@pytest.mark.parametrize("words", [["accept", "web*"], ["reject", "--all"], ["delete", "w?b1"]])
def test_globs_and_all_need_a_yes_without_a_terminal(
    master: FakeMaster, limpet: Limpet, words: list[str]
) -> None:
    master.on(ChangeKeys, Keys((WEB1, WEB2)))

    refused = limpet("keys", *words)
    assert refused.code == 2
    assert "give --yes" in refused.err
    assert master.requests == []

    done = limpet("keys", *words, "--yes")
    assert done.code == 0
    assert master.requests[-1].patterns == ("1f0c 92ab", "77aa 01bc")


@pytest.mark.usefixtures("is_asked")
@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 2), ("\n", 2)])
def test_on_a_terminal_the_fingerprints_are_shown_and_confirmed(
    master: FakeMaster,
    limpet: Limpet,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    code: int,
) -> None:
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    master.on(ChangeKeys, Keys((WEB1, WEB2)))

    ran = limpet("keys", "accept", "web*")

    assert ran.code == code
    assert "web1  1f0c 92ab  from 192.0.2.7" in ran.err
    assert [request.is_dry for request in master.requests] == (
        [True, False] if code == 0 else [True]
    )


@pytest.mark.usefixtures("is_asked")
def test_the_end_of_input_is_no_consent(
    master: FakeMaster, limpet: Limpet, monkeypatch: pytest.MonkeyPatch
) -> None:
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    master.on(ChangeKeys, Keys((WEB1,)))

    assert limpet("keys", "accept", "web1").code == 130
    assert len(master.requests) == 1


def test_nothing_that_matches_is_exit_code_3(master: FakeMaster, limpet: Limpet) -> None:
    master.on(ChangeKeys, Keys(()))
    master.on(ListKeys, Keys((WEB1,)))

    ran = limpet("keys", "accept", "wbe1")
    assert ran.code == 3
    assert "no key to accept matches 'wbe1'" in ran.err
    assert limpet("keys", "show", "wbe1").code == 3


def test_a_key_is_shown_by_id_or_fingerprint(master: FakeMaster, limpet: Limpet) -> None:
    master.on(ListKeys, Keys((DB1, WEB1, WEB2)))

    assert limpet("keys", "show", "web2").out == (
        "minion:       web2\n"
        "state:        pending\n"
        "fingerprint:  77aa 01bc\n"
        "since:        2025-11-24T16:00:00.000Z\n"
        "address:      192.0.2.8\n"
        "token_id:     tok1\n"
        "\n"
    )
    shown = limpet("keys", "show", "AAAA:BBBB", "--format", "json")
    assert [key["minion"] for key in json.loads(shown.out)["keys"]] == ["db1"]


@pytest.mark.parametrize("words", [["accept"], ["accept", "web1", "--all"]])
def test_ids_or_all_must_be_given(master: FakeMaster, limpet: Limpet, words: list[str]) -> None:
    ran = limpet("keys", *words)

    assert ran.code == 2
    assert "or --all" in ran.err
