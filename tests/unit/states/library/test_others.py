import shutil
from pathlib import Path
from typing import Any

import pytest

from limpet.states.library import registry
from support.states.state_bench import FakeTree, StateBench

PATCH = b"--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n one\n-two\n+2\\n\n"


def test_every_module_that_is_listed_has_functions() -> None:
    names = registry.names()

    assert {name.partition(".")[0] for name in names} == set(registry.MODULES)
    assert {"file.copy", "file.managed", "cmd.run", "test.nop"} <= set(names)
    assert all(registry.find(name) for name in names)


def test_every_function_says_what_it_sees_to() -> None:
    for name in registry.names():
        function = registry.find(name)
        assert function is not None
        assert function.documentation.splitlines()[0].endswith("."), name
        assert "name" in function.signature.names, name


def test_only_some_modules_react_to_what_they_watch() -> None:
    watching = {module for module in registry.MODULES if registry.has_mod_watch(module)}

    assert {"cmd", "event", "module", "test"} <= watching
    assert watching.isdisjoint({"file", "git", "grains", "ini"})


@pytest.mark.skipif(shutil.which("patch") is None, reason="this machine has no `patch`")
@pytest.mark.parametrize("is_directory", [False, True])
def test_a_patch_is_applied_once(tmp_path: Path, is_directory: bool) -> None:
    bench = StateBench(tmp_path, FakeTree({"p": PATCH}))
    (tmp_path / "f").write_text("one\ntwo\n")
    name = str(tmp_path if is_directory else tmp_path / "f")
    asked: dict[str, Any] = {"name": name, "source": "salt://p", "strip": 1}

    announced = bench.call("file.patch", is_test=True, **asked)
    assert (tmp_path / "f").read_text() == "one\ntwo\n"
    done = bench.call("file.patch", **asked)
    again = bench.call("file.patch", **asked)

    assert (announced.result, done.result) == (None, True)
    assert (tmp_path / "f").read_text() == "one\n2\\n\n"
    assert (again.comment, again.changes) == ("Patch was already applied", {})


@pytest.mark.skipif(shutil.which("patch") is None, reason="this machine has no `patch`")
def test_a_patch_that_does_not_fit_changes_nothing(tmp_path: Path) -> None:
    bench = StateBench(tmp_path, FakeTree({"p": PATCH}))
    (tmp_path / "f").write_text("other\n")

    outcome = bench.call("file.patch", name=str(tmp_path / "f"), source="salt://p")

    assert outcome.result is False
    assert (tmp_path / "f").read_text() == "other\n"


def test_environment_variables_last_for_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIMPET_TEST_VARIABLE", "old")
    bench = StateBench(tmp_path)
    asked: dict[str, Any] = {"name": "x", "value": {"LIMPET_TEST_VARIABLE": "new"}}

    announced = bench.call("environ.setenv", is_test=True, **asked)
    done = bench.call("environ.setenv", **asked)
    seen = bench.call("cmd.run", name="echo $LIMPET_TEST_VARIABLE")

    assert announced.changes == done.changes == {"LIMPET_TEST_VARIABLE": "new"}
    assert seen.changes["stdout"] == "new"
    assert bench.call("environ.setenv", **asked).changes == {}
    assert bench.call("environ.setenv", name="x", value=["a"]).result is False
