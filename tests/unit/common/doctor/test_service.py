"""The service of a role, as a systemctl and a journalctl of the test's own tell it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from limpet.common.doctor import service
from limpet.common.setup import units
from limpet.common.setup.findings import Finding

UNIT = "limpet-minion.service"
RUNNING = {
    "LoadState": "loaded", "ActiveState": "active", "SubState": "running",
    "UnitFileState": "enabled", "NRestarts": "0", "MainPID": "42", "Result": "success",
}  # fmt: skip

Host = Callable[..., list[Finding]]


@pytest.fixture
def look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    """Give a look at the service of a host whose systemd says what it is told to say."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setattr(units, "_BOOTED", tmp_path)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")

    def program(name: str, text: str) -> None:
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)

    def look_at(*, journal: tuple[dict[str, str], ...] = (), **changed: str) -> list[Finding]:
        said = {**RUNNING, **changed}
        lines = "\n".join(f"{name}={value}" for name, value in said.items())
        program("systemctl", f"cat <<'END'\n{lines}\nEND")
        entries = "\n".join(json.dumps({"_SYSTEMD_UNIT": UNIT, **entry}) for entry in journal)
        program("journalctl", f"cat <<'END'\n{entries}\nEND")
        return list(service.look(UNIT))

    return look_at


def test_a_unit_that_runs_and_is_on_is_fine(look: Host) -> None:
    (found,) = look()
    assert (found.verdict, found.text) == ("ok", f"{UNIT} is active (running)")


def test_a_stopped_unit_is_named_with_what_starts_it(look: Host) -> None:
    (found,) = look(ActiveState="inactive", SubState="dead", MainPID="0")
    assert found.verdict == "fail"
    assert f"{UNIT} is inactive (dead)" in found.text
    assert f"systemctl start {UNIT}" in found.advice


def test_a_unit_that_fails_again_and_again_has_its_reason_beside_it(look: Host) -> None:
    said = "limpet: /etc/limpet/minion.yaml:1: unknown key 'mastr'"
    journal = (
        {"MESSAGE": "minion starts", "PRIORITY": "6"},
        {"MESSAGE": said, "PRIORITY": "6"},
        {"MESSAGE": "Main process exited", "PRIORITY": "5", "_SYSTEMD_UNIT": "init.scope"},
    )
    state = {"ActiveState": "activating", "SubState": "auto-restart", "Result": "exit-code"}
    (found,) = look(journal=journal, **state)
    assert found.verdict == "fail"
    assert "activating (auto-restart), exit-code: /etc/limpet/minion.yaml:1: unknown" in found.text
    assert "goes on trying" in found.advice


def test_restarts_are_told_with_the_last_error(look: Host) -> None:
    journal = ({"MESSAGE": "the loop stood still", "PRIORITY": "3"},)
    (found,) = look(NRestarts="7", journal=journal)
    assert found.verdict == "warn"
    assert "restarted 7 times: the loop stood still" in found.text


@pytest.mark.parametrize(
    "changed, verdict, text",
    [
        ({"UnitFileState": "disabled"}, "warn", "does not start at boot"),
        ({"UnitFileState": "masked"}, "fail", "is masked"),
        ({"LoadState": "not-found"}, "warn", "is not installed"),
    ],
)
def test_a_unit_that_will_not_start_at_boot(
    look: Host, changed: dict[str, str], verdict: str, text: str
) -> None:
    found = look(**changed)[-1]
    assert found.verdict == verdict
    assert text in found.text


def test_without_systemd_nothing_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "_BOOTED", tmp_path / "none")
    (found,) = service.look(UNIT)
    assert found.verdict == "ok"
