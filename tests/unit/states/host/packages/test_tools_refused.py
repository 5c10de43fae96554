"""pip, virtualenv, debconf and alternatives: what they are handed, and what they are not."""

import json
from typing import Any

import pytest

from limpet.common.errors import HostError, UsageError
from limpet.states.functions import registry
from limpet.states.functions.alternatives import links
from limpet.states.functions.debconf import database
from limpet.states.ports.machine import Account, Command, Completed
from support.fakes.host import FakeHost, make_context

DISPLAY = """\
editor - manual mode
  link best version is /usr/bin/vim
  link currently points to /opt/with space/ed
  link editor is /usr/bin/editor
  slave editor.1.gz is /usr/share/man/man1/editor.1.gz
/opt/with space/ed - priority 5
  slave editor.1.gz: /x
/usr/bin/vim - priority -30
"""


def make_host(**programs: str) -> FakeHost:
    host = FakeHost()
    host.commands.installed.update(programs)
    return host


def ask(host: FakeHost, called: str, *positional: Any, **keyword: Any) -> Any:  # noqa: ANN401
    return registry.call(called, list(positional), keyword, make_context(host))


def answer(out: str, *, code: int = 0, problems: str = "") -> Completed:
    return Completed(1, code, out.encode(), problems.encode())


def test_what_stands_behind_a_name_is_read() -> None:
    host = make_host(**{"update-alternatives": "/usr/bin/update-alternatives"})
    host.commands.answer = lambda _command: answer(DISPLAY)

    found = links.look(make_context(host), "editor")

    assert found == links.Alternatives(
        False,
        "/usr/bin/editor",
        "/opt/with space/ed",
        (("/opt/with space/ed", 5), ("/usr/bin/vim", -30)),
    )
    assert ask(host, "alternatives.check_exists", "editor", "/usr/bin/vim") is True
    assert ask(host, "alternatives.check_installed", "editor", "/usr/bin/vim") is False


@pytest.mark.parametrize(
    ("name", "path"), [("--all", "/x"), ("a/b", "/x"), ("ed", "x"), ("", "/x")]
)
def test_alternatives_are_handed_no_options(name: str, path: str) -> None:
    host = make_host(**{"update-alternatives": "/usr/bin/update-alternatives"})

    with pytest.raises(UsageError):
        ask(host, "alternatives.set", name, path)
    assert host.commands.ran == []


def test_a_machine_without_the_tools_is_told_so() -> None:
    with pytest.raises(HostError, match="update-alternatives is not there"):
        ask(make_host(), "alternatives.show_current", "editor")
    with pytest.raises(HostError, match="debconf is for Debian"):
        ask(make_host(), "debconf.show", "tzdata")
    with pytest.raises(HostError, match="no python3"):
        ask(make_host(), "pip.list")
    with pytest.raises(HostError, match="virtualenv is not there"):
        ask(make_host(), "virtualenv.virtualenv_ver")


@pytest.mark.parametrize(
    ("package", "question", "type_", "value"),
    [
        ("pk g", "q/x", "string", "1"), ("-x", "q/x", "string", "1"), ("p", "q x", "string", "1"),
        ("p", "q/x", "strings", "1"), ("p", "q/x", "string", "1\np q/y string evil"),
    ],
)  # fmt: skip
def test_debconf_is_handed_only_what_is_one_answer(
    package: str, question: str, type_: str, value: str
) -> None:
    host = make_host(**{"debconf-set-selections": "/usr/bin/debconf-set-selections"})

    with pytest.raises(UsageError):
        ask(host, "debconf.set", package, question, type_, value)
    assert host.commands.ran == []


def test_answers_of_debconf_go_by_its_input_only() -> None:
    host = make_host(**{"debconf-set-selections": "/usr/bin/debconf-set-selections"})

    assert ask(host, "debconf.set", "p", "p/secret", "password", "open sesame") is True

    (command,) = host.commands.ran
    assert command.argv == ("debconf-set-selections",)
    assert command.stdin == b"p p/secret password open sesame\n"


def test_a_file_of_selections_names_the_line_that_is_wrong() -> None:
    assert database.selections("# x\n\np p/q string a b\n p p/e string\n", "f") == [
        ("p", "p/q", "string", "a b"),
        ("p", "p/e", "string", ""),
    ]
    with pytest.raises(UsageError, match="f:2: a line is"):
        database.selections("p p/q string\np p/q\n", "f")


def pip_host() -> FakeHost:
    host = make_host(python3="/usr/bin/python3")
    host.files.programs |= {"/srv/v/bin/python", "/opt/pip3", "/opt/python3.12"}
    host.files.directories.add("/srv/v")
    host.accounts.users.append(Account("web", 33, 33, "/var/www", "/bin/sh"))
    host.commands.answer = lambda _command: answer(json.dumps([{"name": "x", "version": "1"}]))
    return host


@pytest.mark.parametrize(
    ("bin_env", "words"),
    [
        (None, ("/usr/bin/python3", "-m", "pip")), ("/srv/v", ("/srv/v/bin/python", "-m", "pip")),
        ("/opt/pip3", ("/opt/pip3",)), ("/opt/python3.12", ("/opt/python3.12", "-m", "pip")),
    ],
)  # fmt: skip
def test_which_pip_it_is(bin_env: str | None, words: tuple[str, ...]) -> None:
    host = pip_host()

    assert ask(host, "pip.list", bin_env=bin_env) == {"x": "1"}

    assert host.commands.ran[0].argv == (*words, "list", "--format=json")


def test_pip_runs_as_the_account_with_its_home_and_without_our_environment() -> None:
    host = pip_host()
    host.commands.variables.update(PYTHONPATH="/ours", VIRTUAL_ENV="/ours")

    ask(
        host, "pip.install", "a>=1,<2, b", bin_env="/srv/v", user="web", index_url="https://i.x/",
        env_vars=[{"A": 1}], no_deps=True, extra_args=["--progress-bar=off"], find_links="/w",
    )  # fmt: skip

    (command,) = host.commands.ran
    assert command.user == "web"
    assert command.argv[3:] == (
        "install", "--no-deps", "--find-links=/w", "--index-url=https://i.x/",
        "--progress-bar=off", "--", "a>=1,<2", "b",
    )  # fmt: skip
    assert (command.environment["HOME"], command.environment["A"]) == ("/var/www", "1")
    assert not {"PYTHONPATH", "VIRTUAL_ENV"} & set(command.environment)


def test_passwords_in_addresses_stand_in_no_argument_of_pip() -> None:
    host = pip_host()
    ask(
        host, "pip.install", "a", bin_env="/srv/v", index_url="https://u:secret@i.x/simple",
        extra_index_url=["https://plain.x/", "https://u:secret@j.x/"], find_links="https://f.x/",
        proxy="http://u:secret@proxy:3128",
    )  # fmt: skip
    (ran,) = [each for each in host.commands.ran if "install" in each.argv]
    assert "secret" not in " ".join(ran.argv)
    assert "--find-links=https://f.x/" in ran.argv
    assert ran.environment["PIP_INDEX_URL"] == "https://u:secret@i.x/simple"
    assert ran.environment["PIP_EXTRA_INDEX_URL"] == "https://plain.x/ https://u:secret@j.x/"
    assert ran.environment["PIP_PROXY"] == "http://u:secret@proxy:3128"
    assert "PIP_FIND_LINKS" not in ran.environment


@pytest.mark.parametrize(
    "keyword",
    [
        {"pkgs": ["-r/etc/passwd"]}, {"pkgs": "--index-url=http://evil"}, {"editable": "-x"},
        {"pkgs": ["x"], "extra_args": ["evil"]}, {},
    ],
)  # fmt: skip
def test_pip_is_handed_no_options_as_packages(keyword: dict[str, Any]) -> None:
    host = pip_host()

    with pytest.raises(UsageError):
        ask(host, "pip.install", **keyword)
    assert host.commands.ran == []


def test_an_environment_is_made_by_what_is_there() -> None:
    by_venv = make_host(python3="/usr/bin/python3")
    by_virtualenv = make_host(virtualenv="/usr/bin/virtualenv")

    ask(by_venv, "virtualenv.create", "/srv/v", system_site_packages=True, prompt="me")
    ask(by_virtualenv, "virtualenv.create", "/srv/v", python="/opt/python3.12", clear=True)

    assert by_venv.commands.ran[0].argv == (
        "/usr/bin/python3", "-m", "venv", "--system-site-packages", "--prompt=me", "/srv/v",
    )  # fmt: skip
    assert by_virtualenv.commands.ran[0].argv == (
        "/usr/bin/virtualenv", "--python=/opt/python3.12", "--clear", "/srv/v",
    )  # fmt: skip
    with pytest.raises(UsageError, match="not an absolute path"):
        ask(by_venv, "virtualenv.create", "--help")


def test_a_tool_that_hangs_is_named() -> None:
    host = pip_host()

    def hang(command: Command) -> Completed:
        assert command.timeout_s is not None
        return Completed(1, -15, b"", b"", is_timed_out=True)

    host.commands.answer = hang

    with pytest.raises(HostError, match="/usr/bin/python3 -m pip freeze did not end within 300 s"):
        ask(host, "pip.freeze")
