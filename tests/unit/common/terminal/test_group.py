"""A daemon's command that has commands beside it."""

import sys
import types
from collections.abc import Iterator

import click
import pytest

from limpet.common.errors import UsageError
from limpet.common.terminal.group import DaemonGroup
from limpet.common.terminal.session import Session

HERE = "daemon_commands_of_a_test"
heard: list[str] = []


@pytest.fixture(autouse=True)
def commands() -> Iterator[None]:
    @click.command()
    @click.option("--id", "name", default="none")
    def setup(name: str) -> int:
        heard.append(f"setup {name}")
        return 3

    module = types.ModuleType(HERE)
    module.setup = setup  # type: ignore[attr-defined]
    sys.modules[HERE] = module
    heard.clear()
    yield
    del sys.modules[HERE]


@click.command(cls=DaemonGroup, lazy={"setup": (f"{HERE}:setup", "Set it up.")}, name="minion")
@click.option("--id", "name", default="none")
def daemon(name: str) -> int:
    """Run it."""
    heard.append(f"daemon {name}")
    return 5


def call(*words: str) -> object:
    with daemon.make_context("minion", list(words), obj=Session()) as context:
        return daemon.invoke(context)


def test_the_daemon_runs_when_no_command_stands_behind_it() -> None:
    assert call("--id", "web1") == 5
    assert heard == ["daemon web1"]


def test_a_command_runs_instead_of_the_daemon() -> None:
    assert call("setup", "--id", "web1") == 3
    assert heard == ["setup web1"]


def test_an_option_of_the_daemon_before_a_command_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--id is an option of `minion` alone: what 'setup' sho"):
        call("--id", "web1", "setup")
    assert heard == []


def test_options_that_all_commands_have_may_stand_before_it() -> None:
    assert call("--no-color", "setup") == 3


def test_an_unknown_command_is_named_with_the_help_that_lists_them() -> None:
    with pytest.raises(UsageError, match=r"did you mean 'setup'.*minion --help lists them"):
        call("setu")


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(click.exceptions.Exit):
        call("--help")
    assert "Set it up." in capsys.readouterr().out
