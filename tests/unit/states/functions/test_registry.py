"""Functions are found by their public names and called with checked arguments."""

import subprocess
import sys

import pytest

from limpet.common.errors import HostError, UsageError
from limpet.states.functions import registry
from limpet.states.functions.instant import INSTANT
from support.fakes.host import FakeHost, make_context


def test_names_are_public_names() -> None:
    names = registry.names()
    assert "test.true" in names
    assert "cmd.run" in names
    assert not [name for name in names if name.endswith("_") or "._" in name]


def test_salts_spelling_with_an_underscore_is_found_too() -> None:
    assert registry.find("test.true_") is registry.find("test.true")


@pytest.mark.parametrize("name", ["test.nope", "nope.ping", "ping", "", "test.", "registry.call"])
def test_what_is_no_function_is_not_found(name: str) -> None:
    assert registry.find(name) is None


def test_an_unknown_function_says_what_may_have_been_meant() -> None:
    with pytest.raises(
        UsageError, match=r"'test\.pign' is not available; did you mean 'test\.ping'"
    ):
        registry.call("test.pign", [], {}, make_context())


def test_an_unknown_module_says_what_may_have_been_meant() -> None:
    assert registry.did_you_mean("tets.ping") == "; did you mean 'test.ping'?"


def test_a_function_is_called_with_its_context() -> None:
    host = FakeHost()
    assert registry.call("test.sleep", ["0.5"], {}, make_context(host)) is True
    assert host.system.slept == [0.5]


def test_a_refusal_of_the_system_becomes_an_error_with_the_function() -> None:
    def refuse(name: str, path: str | None = None) -> str | None:
        raise PermissionError(13, "Permission denied", "/usr/bin")

    host = FakeHost()
    host.commands.which = refuse  # type: ignore[method-assign]
    with pytest.raises(HostError, match=r"cmd\.which: /usr/bin Permission denied"):
        registry.call("cmd.which", ["ls"], {}, make_context(host))


@pytest.mark.parametrize("name", ["test.true", "test.true_", "test.ping"])
def test_what_the_administrator_refuses_is_never_called(name: str) -> None:
    context = make_context(configuration={"refuse": ["test.*", "cmd.run"]})
    with pytest.raises(UsageError, match=r"is refused by this minion: `refuse` has 'test\.\*'"):
        registry.call(name, [], {}, context)
    with pytest.raises(UsageError, match="is refused"):
        context.call(name)  # as templates and other functions do


def test_what_he_does_not_refuse_is() -> None:
    context = make_context(configuration={"refuse": ["test.e*", "cmd.*"]})
    assert registry.call("test.ping", [], {}, context) is True


def test_imported_helpers_are_no_functions() -> None:
    assert registry.find("cmd.execute") is None
    assert registry.find("grains.traverse") is None


@pytest.mark.parametrize("name", sorted(INSTANT))
def test_instant_functions_answer_as_the_registered_ones(name: str) -> None:
    positional = ["x"] if name in ("test.echo", "test.outputter", "test.arg") else []
    keyword = {"a": 1} if name in ("test.arg", "test.kwarg") else {}
    loose = {**keyword, "__pub_jid": "1"}
    assert INSTANT[name](positional, loose) == registry.call(
        name, positional, loose, make_context()
    )


@pytest.mark.parametrize(
    ("name", "positional", "keyword", "said"),
    [
        ("test.ping", [1], {}, "takes no arguments"),
        ("test.ping", [], {"a": 1}, "takes no arguments"),
        ("test.echo", [], {}, "'text' is missing"),
        ("test.echo", [1, 2], {}, "one argument"),
        ("test.echo", [], {"txt": 1}, "no argument 'txt'"),
        ("test.kwarg", [1], {}, "name=value"),
    ],
)
def test_instant_functions_name_wrong_arguments(
    name: str, positional: list[object], keyword: dict[str, object], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        INSTANT[name](positional, keyword)


def test_the_instant_functions_cost_the_link_process_nothing_heavy() -> None:
    program = (
        "import sys; import limpet.states.functions.instant; "
        "print([m for m in ('psutil', 'jinja2', 'yaml', 'msgspec', 'subprocess', "
        "'limpet.states.ports.machine', 'cryptography', 'inspect') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
