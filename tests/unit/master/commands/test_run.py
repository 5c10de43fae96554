"""`limpet run`: what is sent, what is shown, and the exit code."""

import json

import msgspec
import pytest
import yaml

from limpet.common.control.replies import MinionResult, NoMinion, Refused, Status
from limpet.common.control.requests import RunJob
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

PING = ("run", "*", "test.ping")
SINCE = "2025-11-24T16:00:00.000Z"


def script(master: FakeMaster, *results: MinionResult) -> None:
    queued = [result(each.minion, "queued") for each in results]
    master.on(RunJob, stored(*queued), *map(update, results), ended())


@pytest.mark.covers("F8")
@pytest.mark.parametrize("form", [(), ("--format", "json"), ("--format", "yaml"), ("--out", "txt")])
@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        (["ok", "ok"], 0),
        (["failed"], 1),
        (["refused"], 1),
        (["interrupted"], 1),
        (["cancelled"], 1),
        (["offline"], 4),
        (["lost"], 4),
        (["expired"], 4),
        (["ok", "offline"], 4),
        (["ok", "failed", "offline"], 1),
    ],
)
def test_the_exit_code_says_what_all_statuses_amount_to(
    master: FakeMaster, limpet: Limpet, statuses: list[Status], code: int, form: tuple[str, ...]
) -> None:
    script(master, *(result(f"web{at}", status) for at, status in enumerate(statuses)))

    assert limpet(*PING, *form).code == code


@pytest.mark.covers("F8")
@pytest.mark.parametrize(
    ("form", "out"),
    [
        ("text", ""),
        ("json", '{\n    "jid": null,\n    "minions": {}\n}\n'),
        ("yaml", "jid: null\nminions: {}\n"),
    ],
)
def test_no_minion_is_exit_code_3_in_every_form(
    master: FakeMaster, limpet: Limpet, form: str, out: str
) -> None:
    master.on(RunJob, NoMinion("wbe*", "no minion matches 'wbe*'"))

    ran = limpet("run", "wbe*", "test.ping", "--format", form)

    assert (ran.code, ran.out, ran.err) == (3, out, "limpet: no minion matches 'wbe*'\n")


def test_text_looks_as_in_salt_and_names_those_without_result(
    master: FakeMaster, limpet: Limpet
) -> None:
    script(
        master,
        result("db1", value={"a": ["x"], "b": "two\nlines"}),
        result("db2", "failed", "out", error="exit code 3", retcode=3),
        result("db3", "offline"),
        result("db4", "offline", since_s=0.0),
        result("db5", "refused", error="disk full: 0 bytes free"),
        result("db6", "failed", None, retcode=7),
        result("db7", value="half", is_cut=True),
        result("db8", "cancelled", error="cancelled"),
    )

    ran = limpet("run", "db*", "test.ping")

    since, _, rest = ran.out.partition("    offline since 2025-11-24 16:00:00 (")
    assert since == (
        "db1:\n    ----------\n    a:\n        - x\n    b:\n        two\n        lines\n"
        "db2:\n    out\n    failed: exit code 3\n"
        "db3:\n"
    )
    assert rest.partition(")\n")[2] == (
        "db4:\n    offline (never seen)\n"
        "db5:\n    refused: disk full: 0 bytes free\n"
        "db6:\n    failed: exit code 7\n"
        "db7:\n    half\n    (cut: the return was too large)\n"
        "db8:\n    cancelled\n"
    )
    assert ran.err == f"limpet: job {JID}: 2 ok, 2 failed, 1 refused, 1 cancelled, 2 offline\n"


def test_json_has_the_shape_of_the_contract(master: FakeMaster, limpet: Limpet) -> None:
    script(
        master,
        result("web1", value={"b": b"\xff"}),
        result("web2", "offline", error="gone"),
        result("web3", "failed", "", retcode=3),
    )

    ran = limpet(*PING, "--format", "json")

    assert json.loads(ran.out) == {
        "jid": JID,
        "minions": {
            "web1": {"status": "ok", "return": {"b": "\\xff"}, "error": None, "since": SINCE},
            "web2": {"status": "offline", "return": None, "error": "gone", "since": SINCE},
            "web3": {"status": "failed", "return": "", "error": "exit code 3", "since": SINCE},
        },
    }
    assert yaml.safe_load(limpet(*PING, "--format", "yaml").out) == json.loads(ran.out)


def test_out_gives_the_bare_returns_of_salt(master: FakeMaster, limpet: Limpet) -> None:
    script(
        master,
        result("web1"),
        result("web2", "offline"),
        result("web3", "failed", None, error="boom"),
        result("web4", "ok", None),
    )
    bare = {
        "web1": True,
        "web2": f"Minion did not return. [offline since {SINCE}]",
        "web3": "ERROR: boom",
        "web4": None,
    }

    assert json.loads(limpet(*PING, "--out", "json").out) == bare
    assert yaml.safe_load(limpet(*PING, "--out=yaml", "--static").out) == bare
    assert limpet(*PING, "--out", "txt").out == "".join(
        f"{name}: {value}\n" for name, value in bare.items()
    )


def test_a_function_that_failed_with_an_error_is_not_said_to_have_returned_none(
    master: FakeMaster, limpet: Limpet
) -> None:
    nothing = msgspec.msgpack.encode(None)
    failed = msgspec.structs.replace(result("web1", "failed", error="no such cwd"), body=nothing)
    script(master, failed)

    assert limpet(*PING).out == "web1:\n    failed: no such cwd\n"
    assert json.loads(limpet(*PING, "--out", "json").out) == {"web1": "ERROR: no such cwd"}
    answer = json.loads(limpet(*PING, "--format", "json").out)["minions"]["web1"]
    assert (answer["return"], answer["error"]) == (None, "no such cwd")


def test_one_answer_in_salts_json(master: FakeMaster, limpet: Limpet) -> None:
    script(master, result("web1"))

    assert limpet(*PING, "--out", "json").out == '{\n    "web1": true\n}\n'


@pytest.mark.covers("B-70")
@pytest.mark.parametrize(
    "form", [(), ("--format", "json"), ("--format", "yaml"), ("--out", "txt"), ("--out", "json")]
)
def test_nothing_that_a_minion_says_acts_on_the_terminal(
    master: FakeMaster, limpet: Limpet, form: tuple[str, ...]
) -> None:
    evil = "\x1b[2J\x1b]0;t\x07\r\x08\x9b1m\u202e\u2066\x7f\ud7ff" + "x" * 9000
    script(
        master,
        result("web1", value={evil: [evil, evil.encode() + b"\xff"]}),
        result("web2", "failed", None, error=evil[:1000]),
    )

    ran = limpet(*PING, *form)

    for text in (ran.out, ran.err):
        assert all(line.isprintable() for line in text.split("\n"))
    if not form:
        assert "…(" in ran.out
        assert "more bytes)" in ran.out


def test_what_is_typed_reaches_the_master(master: FakeMaster, limpet: Limpet) -> None:
    script(master, result("web1"))

    ran = limpet(
        *("run", "-C", "G@os:Ubuntu and web*", "test.arg", "5", "[a]", "k={x: 1}"),
        *("--ttl", "1h", "--job-timeout", "30", "--batch", "10%", "--timeout", "5m", "--", "-x"),
    )

    assert ran.code == 0
    (request,) = master.requests
    assert request.target == "G@os:Ubuntu and web*"
    assert request.target_kind == "compound"
    assert request.function == "test.arg"
    assert msgspec.msgpack.decode(request.arguments) == [[5, ["a"], "-x"], {"k": {"x": 1}}]
    assert (request.ttl_s, request.job_timeout_s, request.batch) == (3600.0, 30.0, "10%")
    assert (request.is_streamed, request.is_followed) == (False, True)


@pytest.mark.parametrize(
    ("option", "kind"),
    [
        ("-L", "list"),
        ("-E", "pcre"),
        ("-G", "grain"),
        ("-P", "grain_pcre"),
        ("-S", "ipcidr"),
        ("-I", "pillar"),
        ("-J", "pillar_pcre"),
        ("-N", "nodegroup"),
        ("-C", "compound"),
        ("--list", "list"),
    ],
)
def test_salts_letters_say_how_a_target_is_meant(
    master: FakeMaster, limpet: Limpet, option: str, kind: str
) -> None:
    script(master, result("x"))
    limpet("run", option, "x", "test.ping")

    assert master.requests[0].target_kind == kind


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["run"], "Missing argument 'TARGET'"),
        (["run", "web1"], "Missing argument 'FUN'"),
        (["run", "-L", "-E", "web1", "test.ping"], "in one way only"),
        (["run", "web1", "ping"], "module.function is expected"),
        (["run", "web1", "test.ping", "x"], "test.ping takes no arguments"),
        (["run", "web1", "test.echo"], "the argument 'text' is missing"),
        (["run", "web1", "test.sleep", "soon"], "test.sleep: the argument 'length'"),
        (["run", "web1", "test.sleep", "1", "lenght=2"], "lenght"),
        (["run", "web1", "test.ping", "--batch", "0"], "--batch '0'"),
        (["run", "web1", "test.ping", "--batch", "101%"], "--batch '101%'"),
        (["run", "web1", "test.ping", "--batch", "x"], "--batch 'x'"),
        (["run", "web1", "test.ping", "--timeout", "soon"], "is not a duration"),
        (["run", "web1", "test.ping", "--timeout", "nan"], "is not a duration"),
        (["run", "web1", "test.ping", "--format", "xml"], "'xml' is not one of"),
        (["run", "web1", "test.ping", "--frmat", "json"], "No such option '--frmat'"),
        (["run", "web1", "test.echo", "-1"], "begins with a dash stands after --"),
        (["run", "w" * 5000, "test.ping"], "1 to 4096 are expected"),
        (["run", "", "test.ping"], "1 to 4096 are expected"),
        (["rnu", "web1"], "did you mean 'run'"),
        (["apply"], "a TARGET is expected"),
        (["apply", "--local", "--pillar", "[1]"], "a mapping in JSON is expected"),
        (["apply", "--pillar", "[1]", "web1"], "a mapping in JSON is expected"),
        (["-l", "loud", "run", "web1", "test.ping"], "is not a log level"),
        (["jobs", "show", "not-a-jid"], "is not a job id"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_code_2(
    master: FakeMaster, limpet: Limpet, words: list[str], complaint: str
) -> None:
    ran = limpet(*words)

    assert ran.code == 2
    assert ran.out == ""
    assert ran.err.startswith("limpet: ")
    assert ran.err.count("\n") == 1
    assert complaint in ran.err
    assert master.requests == []


@pytest.mark.covers("B-69")
def test_metacharacters_are_letters_like_others(master: FakeMaster, limpet: Limpet) -> None:
    script(master, result("web1"))
    words = ["; reboot", "a|b", "&", "$(id)", "`id`", "a\nb", "%i", "!x", "> /etc/passwd"]

    limpet("run", "web1", "test.arg", *words, "k=$(id)")

    assert msgspec.msgpack.decode(master.requests[0].arguments) == [words, {"k": "$(id)"}]


def test_a_misspelt_function_is_hinted_at_and_sent_all_the_same(
    master: FakeMaster, limpet: Limpet
) -> None:
    script(master, result("web1", "refused", error="unknown function"))

    ran = limpet("run", "web1", "test.pign")

    assert ran.code == 1
    assert "did you mean 'test.ping'" in ran.err.splitlines()[0]
    assert len(master.requests) == 1


@pytest.mark.covers("B-72")
def test_a_refusal_of_the_master_is_one_line(master: FakeMaster, limpet: Limpet) -> None:
    master.on(RunJob, Refused("usage", "no node group\n'x'"))

    ran = limpet("run", "-N", "x", "test.ping")

    assert (ran.code, ran.err) == (2, "limpet: no node group\\n'x'\n")


def test_async_prints_the_job_id_and_nothing_else(master: FakeMaster, limpet: Limpet) -> None:
    master.on(RunJob, stored(result("web1", "offline")))

    ran = limpet(*PING, "--async")

    assert (ran.code, ran.out, ran.err) == (0, f"{JID}\n", "")
    document = json.loads(limpet(*PING, "--async", "--format", "json").out)
    assert document["jid"] == JID
    assert document["minions"]["web1"]["status"] == "offline"


@pytest.mark.covers("F7", "K3")
def test_when_the_timeout_passes_those_without_result_are_named(
    master: FakeMaster, limpet: Limpet
) -> None:
    master.on(
        RunJob, stored(result("web1"), result("web2", "running"), result("web3", "queued")), Hang()
    )

    ran = limpet(*PING, "--timeout", "0.3")

    assert ran.code == 4
    assert ran.out.startswith("web1:\n    True\nweb2:\n    running since 2025-11-24 16:00:00 (")
    assert "web3:\n    queued since" in ran.out
    assert "after 0.3 s 2 of 3 have no result: web2, web3" in ran.err
    assert f"see the rest: limpet jobs wait {JID}" in ran.err


def test_a_listed_id_that_nobody_has_is_named_and_not_all_is_well(
    master: FakeMaster, limpet: Limpet
) -> None:
    script(master, result("web1"))

    ran = limpet("run", "-L", "web1,web9, Web8", "test.ping")

    assert ran.code == 4
    assert ran.err == "limpet: no accepted minion of that id: web8, web9\n"


def test_streamed_lines_carry_the_id_and_are_not_shown_twice(
    master: FakeMaster, limpet: Limpet
) -> None:
    master.on(
        RunJob,
        stored(result("web1", "running"), result("web2", "running"), result("web3", "running")),
        output("web1", b"one\ntw"),
        output("web2", b"\x1b[2Jx\r\n"),
        output("web1", b"o\nrest"),
        update(result("web1", value="one\ntwo\nrest")),
        output("web2", b"late\n", dropped_bytes=70),
        update(result("web2", value="all of it")),
        update(result("web3", "failed", "quiet", error="exit code 1")),
        ended(),
    )

    ran = limpet("run", "*", "cmd.run", "x", "--stream")

    assert master.requests[0].is_streamed
    assert ran.out == (
        "web1: one\n"
        "web2: \\x1b[2Jx\n"
        "web1: two\n"
        "web1: rest\n"
        "web1: (ok)\n"
        "web2: …(70 bytes were dropped)\n"
        "web2: late\n"
        "web2:\n    all of it\n"
        "web3:\n    quiet\n    failed: exit code 1\n"
    )


def test_streamed_lines_stay_out_of_documents(master: FakeMaster, limpet: Limpet) -> None:
    master.on(
        RunJob,
        stored(result("web1", "running")),
        output("web1", b"one\n" + b"x" * 70_000),
        update(result("web1", value="v")),
        ended(),
    )

    ran = limpet("run", "*", "cmd.run", "x", "--stream", "--format", "json")

    assert json.loads(ran.out)["minions"]["web1"]["return"] == "v"
    assert ran.err.startswith("web1: one\nweb1: xxx")
    assert "more bytes)" in ran.err


def test_apply_sends_what_salt_would_be_sent(master: FakeMaster, limpet: Limpet) -> None:
    script(master, result("web1", "refused", error="state.apply is not available"))

    ran = limpet("apply", "--test", "--pillar", '{"a": [1]}', "web*", "nginx", "users")

    assert ran.code == 1
    (request,) = master.requests
    assert (request.target, request.function) == ("web*", "state.apply")
    assert msgspec.msgpack.decode(request.arguments) == [
        ["nginx,users"],
        {"test": True, "pillar": {"a": [1]}},
    ]


def test_the_result_of_a_job_that_ended_at_once_is_shown(
    master: FakeMaster, limpet: Limpet
) -> None:
    master.on(RunJob, stored(result("web1", since_s=CREATED_S), is_ended=True), ended())

    assert limpet(*PING).out == "web1:\n    True\n"
