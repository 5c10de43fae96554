"""`cmd.*` prepares commands as Salt does and answers in its shapes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from limpet.common.errors import HostError, UsageError
from limpet.states.context import Loose
from limpet.states.functions import registry
from limpet.states.ports.machine import Account, Command, Completed
from support.fakes.host import FakeHost, make_context
from support.fakes.sources import FakeSources


def prints(
    stdout: bytes = b"", *, retcode: int = 0, stderr: bytes = b"", **more: Loose
) -> Callable[[Command], Completed]:
    return lambda _command: Completed(7, retcode, stdout, stderr, **more)


def host_that(answer: Callable[[Command], Completed]) -> FakeHost:
    host = FakeHost()
    host.commands.answer = answer
    return host


def test_a_persons_command_goes_through_the_shell() -> None:
    host = host_that(prints(b"hi\n\n"))
    assert registry.call("cmd.run", ["echo hi | cat"], {}, make_context(host)) == "hi"
    command = host.commands.ran[0]
    assert command.argv == ("/bin/sh", "-c", "echo hi | cat")
    assert command.is_stderr_in_stdout
    assert command.cwd == "/root"


def test_a_templates_command_is_split_into_words() -> None:
    host = FakeHost()
    make_context(host).call("cmd.run", "grep 'a b' /etc/motd")
    assert host.commands.ran[0].argv == ("grep", "a b", "/etc/motd")


def test_a_templates_command_takes_the_shell_when_told() -> None:
    host = FakeHost()
    make_context(host).call("cmd.run", "a | b", python_shell=True)
    make_context(host).call("cmd.shell", "a | b")
    assert [each.argv for each in host.commands.ran] == [("/bin/sh", "-c", "a | b")] * 2


def test_cmd_safe_off_gives_templates_the_shell() -> None:
    host = FakeHost()
    make_context(host, configuration={"cmd_safe": False}).call("cmd.run", "a | b")
    assert host.commands.ran[0].argv == ("/bin/sh", "-c", "a | b")


def test_a_list_is_run_as_it_is() -> None:
    host = FakeHost()
    registry.call("cmd.run", [["ls", "a b"]], {}, make_context(host))
    assert host.commands.ran[0].argv == ("ls", "a b")


def test_run_all_gives_salts_shape_and_keeps_the_streams_apart() -> None:
    host = host_that(prints(b"out\n", retcode=3, stderr=b"err\n"))
    context = make_context(host)
    answer = registry.call("cmd.run_all", ["x"], {}, context)
    assert answer == {"pid": 7, "retcode": 3, "stdout": "out", "stderr": "err"}
    assert not host.commands.ran[0].is_stderr_in_stdout
    assert context.retcode == 3


def test_the_last_commands_retcode_stands() -> None:
    context = make_context(host_that(prints(retcode=3)))
    registry.call("cmd.run", ["x"], {}, context)
    registry.call("cmd.run", ["x"], {"ignore_retcode": True}, context)
    assert context.retcode == 0


@pytest.mark.parametrize(
    "said",
    [
        {"success_retcodes": [3]},
        {"success_retcodes": "2,3"},
        {"success_stdout": ["fine"]},
        {"success_stderr": "oh"},
        {"ignore_retcode": True},
    ],
)
def test_success_may_be_told_otherwise(said: dict[str, Any]) -> None:
    context = make_context(host_that(prints(b"all fine", retcode=3, stderr=b"oh")))
    registry.call("cmd.run_all", ["x"], said, context)
    assert context.retcode == 0


def test_a_timeout_is_told_in_salts_words() -> None:
    context = make_context(host_that(prints(b"partial", retcode=-9, is_timed_out=True)))
    answer = registry.call("cmd.run_all", ["sleep 5"], {"timeout": 1}, context)
    assert answer["stdout"] == "sleep 5 : Timed out after 1 seconds"
    assert (answer["retcode"], context.retcode) == (1, 1)


@pytest.mark.covers("G1")
@pytest.mark.parametrize("data", [bytes(range(256)), b"\xff\xfe", b"\xc3", b"\xed\xa0\x80"])
def test_any_output_becomes_text(data: bytes) -> None:
    shown = registry.call(
        "cmd.run", ["x"], {"rstrip": False}, make_context(host_that(prints(data)))
    )
    assert shown == data.decode("utf-8", "replace")


def test_an_encoding_may_be_named_and_must_exist() -> None:
    host = host_that(prints("Größe".encode("latin-1")))
    assert registry.call("cmd.run", ["x"], {"output_encoding": "latin-1"}, make_context(host)) == (
        "Größe"
    )
    with pytest.raises(UsageError, match="no output_encoding 'klingon'"):
        registry.call("cmd.run", ["x"], {"output_encoding": "klingon"}, make_context(host))


def test_cut_output_says_so() -> None:
    shown = registry.call("cmd.run", ["x"], {}, make_context(host_that(prints(b"a", is_cut=True))))
    assert shown.startswith("a\n[limpet: more than ")


def test_the_environment_is_the_minions_in_the_language_c_with_what_is_given() -> None:
    host = FakeHost()
    host.commands.variables["NOTIFY_SOCKET"] = "/run/systemd/notify"
    arguments = {"env": [{"PORT": 80}, {"EMPTY": None}], "prepend_path": "/opt/bin"}
    registry.call("cmd.run", ["x"], arguments, make_context(host))
    found = host.commands.ran[0].environment
    assert (found["PORT"], found["EMPTY"], found["LC_NUMERIC"]) == ("80", "", "C")
    assert found["PATH"] == "/opt/bin:/usr/bin:/bin"
    assert "NOTIFY_SOCKET" not in found


def test_a_clean_environment_has_only_what_is_given() -> None:
    host = FakeHost()
    arguments = {"env": {"A": "1"}, "clean_env": True, "reset_system_locale": False}
    registry.call("cmd.run", ["x"], arguments, make_context(host))
    assert host.commands.ran[0].environment == {"A": "1"}


def test_another_user_gets_the_environment_of_a_login_and_their_home() -> None:
    host = FakeHost()
    host.accounts.users.append(Account("app", 1000, 1000, "/home/app", "/bin/bash"))
    host.files.directories.add("/home/app")
    host.commands.logins["app"] = {"USER": "app", "PATH": "/home/app/bin"}
    registry.call("cmd.run", ["x"], {"runas": "app", "group": "www"}, make_context(host))
    command = host.commands.ran[0]
    assert (command.user, command.group, command.cwd) == ("app", "www", "/home/app")
    assert command.environment["PATH"] == "/home/app/bin"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"cwd": "relative"}, "Specified cwd 'relative' either not absolute or does not exist"),
        ({"cwd": "/no/such"}, "Specified cwd '/no/such'"),
        ({"runas": "nobody-here"}, "User 'nobody-here' is not available"),
        ({"shell": "/bin/fish"}, "The shell /bin/fish is not available"),
    ],
)
def test_what_the_machine_lacks_is_said(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(HostError, match=said):
        registry.call("cmd.run", ["x"], arguments, make_context())


@pytest.mark.parametrize(
    ("command", "arguments", "said"),
    [
        ("", {}, "'cmd' is empty"),
        ("  ", {}, "'cmd' is empty"),
        ("a\0b", {}, "NUL"),
        ("echo 'open", {"python_shell": False}, "can't be split"),
        ("x", {"umask": "9"}, "Invalid umask: '9'"),
        ("x", {"tiemout": 3}, r"no argument 'tiemout'; did you mean 'timeout'\?"),
        ("x", {"template": "mako"}, "no template engine 'mako'"),
    ],
)
def test_a_wrong_call_is_named(command: str, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        registry.call("cmd.run", [command], arguments, make_context())


def test_umask_is_octal_and_stdin_reads_written_line_ends() -> None:
    host = FakeHost()
    arguments = {"umask": "027", "stdin": "a\\nb"}
    registry.call("cmd.run", ["x"], arguments, make_context(host))
    assert (host.commands.ran[0].umask, host.commands.ran[0].stdin) == (0o27, b"a\nb")


def test_a_command_may_be_a_template() -> None:
    host = FakeHost()
    context = make_context(host, grains={"os": "Debian"})
    registry.call("cmd.run", ["echo {{ grains['os'] }}"], {"template": "jinja"}, context)
    assert host.commands.ran[0].argv[2] == "echo Debian"
    with pytest.raises(HostError, match="Failed to execute cmd with error"):
        registry.call("cmd.run", ["{{ nothing }}"], {"template": "jinja"}, context)


def test_hidden_output_is_neither_shown_nor_streamed() -> None:
    host = host_that(prints(b"secret"))
    context = make_context(host)
    assert registry.call("cmd.run", ["x"], {"hide_output": True}, context) == ""
    assert host.commands.ran[0].on_output is None


def test_output_is_streamed_as_it_comes() -> None:
    host = FakeHost()
    pieces: list[bytes] = []
    context = make_context(host, stream=pieces.append)
    registry.call("cmd.run", ["x"], {}, context)
    on_output = host.commands.ran[0].on_output
    assert on_output is not None
    on_output(b"line\n")
    assert pieces == [b"line\n"]


def test_raise_err_makes_a_failure_an_error() -> None:
    with pytest.raises(HostError, match="broken"):
        registry.call(
            "cmd.run",
            ["x"],
            {"raise_err": True},
            make_context(host_that(prints(b"broken", retcode=2))),
        )


def test_the_background_gives_a_pid_and_no_retcode() -> None:
    host = FakeHost()
    context = make_context(host)
    assert registry.call("cmd.run_bg", ["sleep 9"], {}, context) == {"pid": 4711}
    assert registry.call("cmd.run", ["sleep 9"], {"bg": True}, context) == ""
    assert (len(host.commands.started), context.retcode) == (2, 0)


def test_a_script_is_brought_run_with_its_arguments_and_removed() -> None:
    host = host_that(prints(b"done"))
    host.files.texts["/srv/check.sh"] = "#!/bin/sh\n"
    arguments = {"args": "one 'two three'"}
    answer = registry.call("cmd.script", ["/srv/check.sh"], arguments, make_context(host))
    assert answer["stdout"] == "done"
    assert host.commands.ran[0].argv == ("/tmp/script.sh", "one", "two three")
    assert "/tmp/script.sh" not in host.files.texts


def test_a_script_is_placed_where_nobody_else_can_exchange_it() -> None:
    host = FakeHost()
    host.accounts.users.append(Account("app", 1000, 1000, "/root", "/bin/sh"))
    host.files.texts["/srv/check.sh"] = "x"
    host.files.directories |= {"/nowhere/state", "/home/other"}
    context = make_context(host)
    registry.call("cmd.script", ["/srv/check.sh"], {"cwd": "/home/other"}, context)
    registry.call("cmd.script", ["/srv/check.sh"], {"cwd": "/home/other", "runas": "app"}, context)
    assert [each.argv[0] for each in host.commands.ran] == [
        "/nowhere/state/script.sh",
        "/tmp/script.sh",
    ]
    assert {each.cwd for each in host.commands.ran} == {"/home/other"}


def test_a_script_of_the_file_roots_is_found_there_and_not_outside(tmp_path: Path) -> None:
    (tmp_path / "states/bin").mkdir(parents=True)
    (tmp_path / "states/bin/a.sh").write_text("x")
    (tmp_path / "secret.sh").write_text("x")
    roots = {"base": [str(tmp_path / "states")], "dev": [str(tmp_path / "states/bin")]}
    context = make_context(root=tmp_path, configuration={"file_roots": roots})

    assert registry.call("cmd.script_retcode", ["salt://bin/a.sh"], {}, context) == 0
    assert registry.call("cmd.script_retcode", ["salt://a.sh?saltenv=dev"], {}, context) == 0
    with pytest.raises(HostError, match="does not lead to a file inside the file roots"):
        registry.call("cmd.script", ["salt://../secret.sh"], {}, context)
    answer = registry.call("cmd.script", ["salt://a.sh"], {}, context)
    assert answer["cache_error"] is True
    assert context.retcode == 1


def test_a_script_of_the_master_is_asked_for(tmp_path: Path) -> None:
    sources = FakeSources({"base": {"bin/a.sh": b"echo hi"}})
    context = make_context(root=tmp_path, sources=sources)

    assert registry.call("cmd.script_retcode", ["salt://bin/a.sh"], {}, context) == 0
    assert sources.questions("file") == ["bin/a.sh"]


def test_a_script_that_is_nowhere_is_salts_cache_error() -> None:
    answer = registry.call("cmd.script", ["/srv/none.sh"], {}, make_context())
    assert answer == {"pid": 0, "retcode": 1, "stdout": "", "stderr": "", "cache_error": True}


@pytest.mark.parametrize("source", ["none.sh", "http://127.0.0.1:1/x.sh", "gopher://x"])
def test_sources_that_cannot_be_had_say_why(source: str, tmp_path: Path) -> None:
    with pytest.raises((UsageError, HostError), match=r"none\.sh|can't be fetched|come from"):
        registry.call("cmd.script", [source], {}, make_context(root=tmp_path))


def test_code_is_run_by_its_interpreter() -> None:
    host = host_that(prints(b"2\n"))
    answer = registry.call(
        "cmd.exec_code", ["python3", "print(1+1)"], {"args": "x"}, make_context(host)
    )
    assert answer == "2"
    assert host.commands.ran[0].argv == ("python3", "/tmp/script", "x")


def test_programs_are_found() -> None:
    host = FakeHost()
    host.commands.installed["pip"] = "/usr/bin/pip"
    context = make_context(host)
    assert registry.call("cmd.which_bin", ["pip3,pip"], {}, context) == "/usr/bin/pip"
    assert registry.call("cmd.has_exec", ["pip"], {}, context) is True
    assert registry.call("cmd.has_exec", ["pip3"], {}, context) is False
    assert registry.call("cmd.which", ["pip3"], {}, context) is None


def test_login_shells_are_listed_without_comments() -> None:
    host = FakeHost()
    host.files.texts["/etc/shells"] = "# shells\n/bin/sh\n\n/bin/bash\n"
    assert registry.call("cmd.shells", [], {}, make_context(host)) == ["/bin/sh", "/bin/bash"]


def test_a_shell_tells_its_version() -> None:
    host = host_that(prints(b"GNU bash, version 5.2.15(1)-release\n"))
    host.commands.installed["bash"] = "/bin/bash"
    found = registry.call("cmd.shell_info", ["bash"], {}, make_context(host))
    assert (found["installed"], found["version"]) == (True, "5.2.15(1)-release")
    assert registry.call("cmd.shell_info", ["zsh"], {}, make_context(host)) == {"installed": False}


def test_only_terminals_are_written_to() -> None:
    answer = registry.call("cmd.tty", ["../etc/passwd"], {"echo": "x"}, make_context())
    assert answer == {"Error": "The specified device is not a valid TTY"}
