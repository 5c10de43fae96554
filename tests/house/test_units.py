"""The unit files: systemd takes each line of them, and what it says of their sandboxes."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

UNITS: Final = Path(__file__).parents[2] / "packaging/systemd"
SERVICES: Final = sorted(UNITS.glob("*.service"))
FILES: Final = [*SERVICES, *sorted(UNITS.glob("*.slice"))]
SANDBOXED: Final = {"limpet-master.service": 15, "limpet-enrol.service": 12}
"""The most that a service may be exposed, in tenths of what `systemd-analyze security` says."""
ANALYZE: Final = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="there is no systemd-analyze here")


def analyze(*words: str, **more: str) -> "subprocess.CompletedProcess[str]":
    assert ANALYZE is not None
    return subprocess.run(
        [ANALYZE, *words],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**os.environ, "SYSTEMD_COLORS": "0", "LC_ALL": "C", **more},
    )


def settings(path: Path) -> dict[str, list[str]]:
    """Read a unit file as far as its lines go, whatever the section."""
    found: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        if re.match(r"[A-Za-z]+=", line):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


@needs_systemd
def test_systemd_has_nothing_to_say_against_them(tmp_path: Path) -> None:
    for path in FILES:
        # The program is not installed here, and its manual is not the unit's business.
        program = r"/(opt/limpet/\w+/current|var/lib/limpet-minion/upgrade/program)/bin/limpet"
        text = re.sub(program, "/bin/true", path.read_text())
        (tmp_path / path.name).write_text(text)
    names = [str(tmp_path / path.name) for path in FILES]
    done = analyze("verify", "--man=no", *names, SYSTEMD_UNIT_PATH=f"{tmp_path}:")
    assert (done.returncode, done.stderr.strip()) == (0, "")

    (tmp_path / FILES[0].name).write_text(f"[Service]\nExecStart=/bin/true\nWatchDog=1\n{text}")
    spoilt = analyze("verify", "--man=no", names[0], SYSTEMD_UNIT_PATH=f"{tmp_path}:")
    assert "WatchDog" in spoilt.stderr, "a wrong line is not noticed: this test shows nothing"


@needs_systemd
@pytest.mark.parametrize("name, tenths", SANDBOXED.items())
def test_the_sandbox_is_as_tight_as_it_can_be(name: str, tenths: int) -> None:
    words = ("security", "--offline=yes", str(UNITS / name))
    held = analyze(*words, f"--threshold={tenths}")
    assert held.returncode == 0, held.stdout[-3000:]
    assert analyze(*words, "--threshold=5").returncode != 0


@needs_systemd
@pytest.mark.parametrize("name", SANDBOXED)
def test_no_capability_and_no_way_to_one(name: str) -> None:
    done = analyze("security", "--offline=yes", "--json=short", str(UNITS / name))
    exposed = {row["name"] for row in json.loads(done.stdout) if row["set"] is False}
    assert not [each for each in exposed if each.startswith(("CapabilityBounding", "AmbientCap"))]
    assert not exposed & {"NoNewPrivileges=", "RestrictSUIDSGID=", "User=/DynamicUser="}


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.name)
def test_no_service_gives_up(path: Path) -> None:
    found = settings(path)
    assert found["StartLimitIntervalSec"] == ["0"]
    expected = "on-failure" if found["Type"] == ["oneshot"] else "always"
    assert found["Restart"] == [expected]
    assert not {"RestartPreventExitStatus", "StartLimitBurst", "Requires"} & set(found)


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.name)
def test_none_waits_for_the_network_to_be_up(path: Path) -> None:
    orders = " ".join(settings(path).get("After", []) + settings(path).get("Wants", []))
    assert "online" not in orders


@pytest.mark.parametrize("role", ["master", "enrol", "minion"])
def test_the_working_loop_has_to_feed_the_watchdog(role: str) -> None:
    found = settings(UNITS / f"limpet-{role}.service")
    assert (found["Type"], found["NotifyAccess"]) == (["notify"], ["main"])
    assert 30 <= int(found["WatchdogSec"][0]) <= 60


def test_a_jobs_trouble_is_not_the_minions() -> None:
    found = settings(UNITS / "limpet-minion.service")
    assert (found["OOMPolicy"], found["KillMode"], found["Delegate"]) == (
        ["continue"], ["process"], ["yes"],
    )  # fmt: skip
    inherited = {"NoNewPrivileges", "SystemCallFilter", "ProtectSystem", "PrivateTmp", "MemoryMax"}
    assert not inherited & set(found), "jobs would have this as well"


def test_every_unit_has_a_say_in_what_a_first_boot_enables() -> None:
    lines = (UNITS / "80-limpet.preset").read_text().splitlines()
    said = {line.split()[1]: line.split()[0] for line in lines if line and line[0] != "#"}
    wanted = {path.name for path in SERVICES if "WantedBy" in settings(path)}
    assert set(said) == wanted
    assert {name for name, word in said.items() if word == "enable"} == {
        "limpet-minion-upgrade.service"
    }


def test_the_master_may_open_what_a_large_fleet_needs() -> None:
    found = settings(UNITS / "limpet-master.service")["LimitNOFILE"]
    first, _, second = found[0].partition(":")
    # One for each of 60,000 minions; and for 100,000 with their old connections beside the new.
    assert int(first) >= 60_000
    assert int(second) >= 200_000
