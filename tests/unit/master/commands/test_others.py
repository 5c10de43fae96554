"""Jobs, tokens, minions, events, doc, completion, help; `status` has a file of its own."""

import json

import pytest

from limpet.__main__ import COMMANDS
from limpet.common.control.replies import (
    Event,
    Jobs,
    JobSummary,
    MasterStatus,
    MinionRow,
    Minions,
    TokenInfo,
    TokenMade,
    Tokens,
)
from limpet.common.control.requests import (
    AskStatus,
    CancelJob,
    CreateToken,
    ListJobs,
    ListMinions,
    ListTokens,
    RevokeToken,
    WatchEvents,
    WatchJob,
)
from support.command_line import Limpet
from support.fakes.master import (
    CREATED_S,
    JID,
    FakeMaster,
    Hang,
    ended,
    output,
    result,
    stored,
    update,
)

SINCE = "2025-11-24T16:00:00.000Z"


def test_jobs_are_listed(master: FakeMaster, limpet: Limpet) -> None:
    job = JobSummary(JID, "cmd.run", "web*\x1b", "root", CREATED_S, {"offline": 1, "ok": 2})
    master.on(ListJobs, Jobs((job,)))

    ran = limpet("jobs", "list", "-n", "5", "--before", JID)

    assert ran.out == (
        "JID                         CREATED              USER  FUNCTION  TARGET    MINIONS\n"
        f"{JID}  2025-11-24 16:00:00  root  cmd.run   web*\\x1b  2 ok, 1 offline\n"
    )
    assert (master.requests[0].limit, master.requests[0].before) == (5, JID)
    assert json.loads(limpet("jobs", "list", "--format", "json").out)["jobs"][0]["counts"] == {
        "offline": 1,
        "ok": 2,
    }


def test_a_job_is_shown_without_waiting_and_ends_with_0(master: FakeMaster, limpet: Limpet) -> None:
    master.on(WatchJob, stored(result("web1", "failed", "x"), result("web2", "running")))

    ran = limpet("jobs", "show", JID)

    assert ran.code == 0
    assert "1 failed, 1 running" in ran.out
    assert "web1:\n    x\n    failed\nweb2:\n    running since" in ran.out
    data = json.loads(limpet("jobs", "show", JID, "--format", "json").out)
    assert data["jid"] == JID
    assert data["minions"]["web1"] == {
        "status": "failed",
        "return": "x",
        "error": None,
        "since": SINCE,
    }


def test_waiting_for_a_job_ends_as_the_job_does(master: FakeMaster, limpet: Limpet) -> None:
    master.on(
        WatchJob,
        stored(result("web1", "running")),
        output("web1", b"line\n"),
        update(result("web1", "failed", None, error="boom")),
        ended(),
    )

    ran = limpet("jobs", "wait", JID, "--stream")

    assert (ran.code, ran.out) == (1, "web1: line\nweb1:\n    failed: boom\n")
    assert master.requests[0].is_streamed


def test_a_job_is_cancelled_on_some_minions(master: FakeMaster, limpet: Limpet) -> None:
    master.on(CancelJob, stored(result("web1", "cancelled"), result("web2", "running")))

    ran = limpet("jobs", "cancel", JID, "WEB1")
    assert ran.code == 0
    assert "now: 1 cancelled, 1 running" in ran.out
    assert master.requests[0].minions == ("web1",)

    odd = limpet("jobs", "cancel", JID, "web9", "--format", "json")
    assert odd.code == 2
    assert f"job {JID} is not for web9" in odd.err


def test_to_cancel_what_has_ended_says_how_it_ended(master: FakeMaster, limpet: Limpet) -> None:
    ended = stored(result("web1"), result("web2", "cancelled"), is_ended=True)
    master.on(CancelJob, ended)
    assert limpet("jobs", "cancel", JID).out == f"job {JID} has ended: 1 ok, 1 cancelled\n"


def test_a_token_is_the_only_thing_on_stdout(master: FakeMaster, limpet: Limpet) -> None:
    import time

    made = TokenMade("tok1", "limpet-join-1.key.tok1.secret", time.time() + 7200, 3, "web*")
    master.on(CreateToken, made)

    ran = limpet("token", "create", "--ttl", "2h", "--uses", "3", "--id-pattern", "web*")

    assert ran.out == "limpet-join-1.key.tok1.secret\n"
    assert "good 3 times within 2 h" in ran.err
    assert "secret" not in ran.err
    (request,) = master.requests
    assert (request.ttl_s, request.uses, request.id_pattern) == (7200.0, 3, "web*")


@pytest.mark.parametrize(
    "words",
    [["--ttl", "0"], ["--ttl", "31d"], ["--uses", "0"], ["--uses", "x"], ["--id-pattern", ""]],
)
def test_a_token_out_of_bounds_is_a_usage_error(
    master: FakeMaster, limpet: Limpet, words: list[str]
) -> None:
    ran = limpet("token", "create", *words)

    assert ran.code == 2
    assert ran.err.count("\n") == 1
    assert master.requests == []


def test_tokens_are_listed_and_revoked(master: FakeMaster, limpet: Limpet) -> None:
    token = TokenInfo("tok1", "open", CREATED_S, 3, 1, "web*", "root")
    master.on(ListTokens, Tokens((token,)))
    master.on(RevokeToken, Tokens((TokenInfo("tok1", "revoked", 1.0, 3, 1, "web*", "root"),)))

    assert limpet("token", "list").out.splitlines()[1] == (
        "tok1   open   1 of 3  2025-11-24 16:00:00  web*  root"
    )
    assert json.loads(limpet("token", "list", "--format", "json").out)["tokens"][0]["used"] == 1
    assert limpet("token", "revoke", "tok1").out == "token tok1 is revoked\n"
    assert limpet("token", "revoke", "x" * 99).code == 2


def test_minions_are_shown_with_state_and_since(master: FakeMaster, limpet: Limpet) -> None:
    rows = (
        MinionRow("db1", "offline", CREATED_S, "0.1.0", "192.0.2.1", (), "cloned", "no echo"),
        MinionRow("web1", "ready", CREATED_S, "0.1.0", "192.0.2.2", (JID, "x"), "", "no echo"),
        MinionRow("web2", "never seen", 0.0, "", "", (), "", ""),
    )
    master.on(ListMinions, Minions(rows))

    lines = limpet("minions", "-G", "os:Debian").out.splitlines()

    assert master.requests[0].target_kind == "grain"
    assert lines[0].split() == [
        *("MINION", "STATE", "SINCE", "VERSION", "ADDRESS", "RUNNING", "REMARKS")
    ]
    assert lines[1].startswith("db1     offline     2025-11-24 16:00:00 (")
    assert lines[1].endswith("cloned; last loss: no echo")
    assert lines[2].endswith(f"{JID} +1")
    assert lines[3] == "web2    never seen"
    data = json.loads(limpet("minions", "--format", "json").out)
    assert data["minions"]["db1"] == {
        "state": "offline",
        "since": SINCE,
        "version": "0.1.0",
        "address": "192.0.2.1",
        "running": [],
        "condition": "cloned",
        "last_loss": "no echo",
        "knows_next_keys": True,
    }


def test_no_minion_of_that_target_is_exit_code_3(master: FakeMaster, limpet: Limpet) -> None:
    master.on(ListMinions, Minions(()))

    ran = limpet("minions", "x*", "--format", "json")
    assert (ran.code, json.loads(ran.out)) == (3, {"minions": {}})
    assert ran.err == "limpet: no minion matches 'x*'\n"

    empty = limpet("minions")
    assert (empty.code, empty.out) == (0, "")
    assert "no minion is accepted yet" in empty.err


def test_events_are_lines_that_nothing_can_forge(master: FakeMaster, limpet: Limpet) -> None:
    master.on(
        WatchEvents,
        Event("minion/web1/ready", CREATED_S, {"address": "192.0.2.1\nforged"}),
        Event("job/x/new", CREATED_S, {}),
        Event("minion/web1/lost", CREATED_S, {"why": "no echo"}),
        Hang(),
    )

    ran = limpet("events", "minion/*", "--count", "2")
    assert ran.out == (
        f"{SINCE} minion/web1/ready address=192.0.2.1\\nforged\n"
        f"{SINCE} minion/web1/lost why=no echo\n"
    )
    lines = limpet("events", "--format", "json", "--count", "1").out.splitlines()
    assert json.loads(lines[0])["data"] == {"address": "192.0.2.1\nforged"}


def test_the_masters_own_key_is_shown_for_minions_without_a_join_string(
    master: FakeMaster, limpet: Limpet
) -> None:
    key = "ab" * 32
    master.on(AskStatus, MasterStatus("0.1.0", CREATED_S, "5eed", 12, 3, 2, {}, {}, (), key))

    out = limpet("keys", "show", "--master").out
    assert f"master_key:   {key}\n" in out
    assert "fingerprint:" in out
    assert limpet("keys", "show").code == 2
    assert limpet("keys", "show", "--master", "web1").code == 2


def test_doc_works_without_a_master(limpet: Limpet) -> None:
    one = limpet("doc", "test.ping")
    assert one.out.startswith("test.ping\n\n    ")
    assert "test.ping " in limpet("doc", "test").out
    assert json.loads(limpet("doc", "test.ping", "--format", "json").out)["test.ping"]["usage"]
    shown = limpet("doc", "cmd.run").out
    assert all(f"[{name}=" in shown for name in ("cwd", "runas", "env", "timeout", "umask"))
    assert max(len(line) for line in shown.partition("\n\n")[0].splitlines()) <= 90

    wrong = limpet("doc", "test.pign")
    assert wrong.code == 2
    assert "did you mean 'test.ping'" in wrong.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_for_each_shell(limpet: Limpet, shell: str) -> None:
    ran = limpet("completion", shell)

    assert ran.code == 0
    assert "_LIMPET_COMPLETE" in ran.out


TALKING = ["run", "apply", "jobs", "minions", "keys", "token", "events", "status", "doc"]


@pytest.mark.parametrize("name", [*TALKING, "completion"])
def test_every_command_has_help_with_examples_and_the_common_options(
    limpet: Limpet, name: str
) -> None:
    ran = limpet(name, "--help")

    assert ran.code == 0
    assert "Examples:" in ran.out
    assert f"limpet {name}" in ran.out
    for option in ("--root DIR", "--log-level", "--no-color"):
        assert option in ran.out


def test_help_lists_the_commands_and_the_exit_codes(limpet: Limpet) -> None:
    out = limpet("--help").out

    for name in COMMANDS:
        assert f"  {name} " in out
    assert "5  the master is not reachable" in out


def test_the_version_is_told(limpet: Limpet) -> None:
    from limpet import __version__

    assert limpet("--version").out == f"limpet {__version__}\n"
