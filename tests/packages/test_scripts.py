"""What the package's scripts do, run on a tree of their own: nothing is built, nobody is root."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from deb.package import SCRIPTS, write_scripts
from deb.roles import ROLES, RoleName

PLACES: Final = re.compile(r"(?<![\w.$}])/(?=(?:opt|etc|var|run|srv|usr/sbin)/)")
TOOLS: Final = (
    *("chown", "getent", "groupadd", "dpkg-statoverride", "update-alternatives"),
    *("systemctl", "systemd-run", "timeout"),
)
GUARDED: Final = "lib/python3.11/dist-packages/limpet/minion/upgrading"


class Host:
    """A directory that a package's scripts take for a host, and what they have called there."""

    def __init__(self, place: Path, role: RoleName = "minion") -> None:
        self.place = place
        self.role = role
        self.home = place / "opt/limpet" / role
        self.tools = place / "bin"
        self._calls = place / "calls"
        for each in ("run/systemd/system", "etc", "var/lib", "var/cache", "bin"):
            (place / each).mkdir(parents=True)
        for name in TOOLS:
            self.tool(name, f'echo "{name} $*" >>{self._calls}')
        self.tool("dpkg-statoverride", "exit 1")

    def tool(self, name: str, script: str) -> None:
        """Put a program in the way of the host's own."""
        (self.tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.tools / name).chmod(0o755)

    def unpack(self, version: str) -> str:
        """Do what dpkg does before it runs postinst; gives the name of the versions directory."""
        for name, text in (("bin/limpet", version), ("lib/private/libx.so", version * 5000)):
            path = self.home / "payload" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            path.write_text(text)
        (self.home / "payload" / GUARDED).mkdir(parents=True, exist_ok=True)
        return f"{version}-0123456789ab"

    def configure(self, build: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run postinst."""
        return self.script("postinst", "configure", "1.0", build=build, **environment)

    def script(
        self, script: str, *arguments: str, build: str, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run one of the scripts of a package."""
        values = dict.fromkeys(("@SLAVES@", "@STORE@", "@ADVICE@", "@FIRST_OF_SCHEMA@"), "")
        other = ROLES[self.role].other
        values |= {"@ROLE@": self.role, "@PACKAGE@": f"limpet-{self.role}"}
        values |= {"@OTHER@": f"limpet-{other}", "@UNITS@": f"limpet-{self.role}.service"}
        values |= {"@PRIORITY@": "50", "@SCHEMA@": "1"}
        values |= {"@VERSION@": build.partition("-")[0], "@BUILD@": build}
        scripts = self.place / "scripts"
        write_scripts(scripts, ROLES[self.role], values)
        for name in SCRIPTS:
            path = scripts / name
            path.write_text(PLACES.sub(f"{self.place}/", path.read_text()))
        path_variable = f"{self.tools}:/usr/sbin:/usr/bin:/sbin:/bin"
        return subprocess.run(
            ["/bin/sh", str(scripts / script), *arguments],
            env={"PATH": path_variable, **environment},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def calls(self) -> list[str]:
        """Give what was called since the last time."""
        found = self._calls.read_text().splitlines() if self._calls.exists() else []
        self._calls.unlink(missing_ok=True)
        return found


@pytest.fixture
def host(tmp_path: Path) -> Host:
    found = Host(tmp_path)
    done = found.configure(found.unpack("1.0"))
    assert done.returncode == 0, done.stderr
    assert (found.home / "current").readlink() == Path("versions/1.0-0123456789ab")
    found.calls()
    return found


def begun(calls: list[str], kind: Mapping[str, str]) -> list[str]:
    """Give the calls of these programs that hold these words."""
    return [
        each
        for each in calls
        for name, word in kind.items()
        if each.startswith(name + " ") and word in each
    ]


GUARD: Final = {"systemd-run": "minion guard --from 1.0-0123456789ab --to 2.0-0123456789ab"}


PREPARED: Final = {
    "timeout": "minion guard --prepare --from 1.0-0123456789ab --to 2.0-0123456789ab"
}


def test_a_boot_behind_the_switch_finds_what_has_to_be_watched(host: Host) -> None:
    current = host.home / "current"
    host.tool("timeout", f'echo "timeout $* at $(readlink {current})" >>{host.place}/calls')
    host.configure(host.unpack("2.0"))

    (call,) = begun(host.calls(), PREPARED)
    assert call.endswith(" at versions/1.0-0123456789ab")


def test_whoever_watches_himself_is_left_alone(host: Host) -> None:
    done = host.configure(host.unpack("2.0"), LIMPET_UPGRADE="1")

    assert done.returncode == 0, done.stderr
    calls = host.calls()
    assert not begun(calls, PREPARED | GUARD)
    assert not begun(calls, {"systemctl": "restart"})


def test_a_version_that_can_note_nothing_down_stops_no_upgrade(host: Host) -> None:
    host.tool("timeout", "exit 1")
    done = host.configure(host.unpack("2.0"))

    assert done.returncode == 0
    assert "unwatched" in done.stderr
    assert begun(host.calls(), GUARD)


def test_the_version_before_watches_over_the_restart(host: Host) -> None:
    done = host.configure(host.unpack("2.0"))

    assert done.returncode == 0, done.stderr
    assert begun(host.calls(), GUARD)
    assert sorted(each.name for each in (host.home / "versions").iterdir()) == [
        "1.0-0123456789ab",
        "2.0-0123456789ab",
    ]
    assert sorted(each.name for each in host.home.iterdir()) == ["current", "payload", "versions"]


def test_it_does_so_too_if_the_script_is_cut_off_when_it_has_switched(host: Host) -> None:
    alternatives = (host.tools / "update-alternatives").read_text()
    host.tool("update-alternatives", "kill -9 $PPID")
    build = host.unpack("2.0")
    assert host.configure(build).returncode == -9
    assert (host.home / "current").readlink() == Path("versions") / build
    assert not begun(host.calls(), GUARD)

    host.tool("update-alternatives", alternatives)
    done = host.configure(build)  # dpkg --configure -a

    assert done.returncode == 0, done.stderr
    assert begun(host.calls(), GUARD)
    assert (host.home / "versions" / "1.0-0123456789ab").is_dir()
    assert sorted(each.name for each in host.home.iterdir()) == ["current", "payload", "versions"]
    host.configure(build)
    assert not begun(host.calls(), GUARD)


def test_files_in_use_are_replaced_and_not_written_to_where_there_are_no_hard_links(
    host: Host,
) -> None:
    host.tool("cp", 'case "$1" in -al*) exit 1 ;; esac; exec /bin/cp "$@"')
    build = host.unpack("2.0")
    assert host.configure(build).returncode == 0
    library = host.home / "versions" / build / "lib/private/libx.so"
    before = library.stat().st_ino

    with open(library, "rb") as used:  # a process has it mapped: cut to nothing, that one dies
        done = host.configure(host.unpack("2.0"))
        assert done.returncode == 0, done.stderr
        assert library.stat().st_ino != before
        assert used.read() == b"2.0" * 5000


def test_a_version_that_is_run_stays_however_many_processes_there_are(host: Host) -> None:
    used, unused = (host.home / "versions" / f"0.{number}-0123456789ab" for number in (8, 9))
    for each in (used, unused):
        (each / "bin").mkdir(parents=True)
    program = shutil.copy2("/bin/sleep", used / "bin/python3.11")
    host.tool("readlink", 'case "$*" in /proc/*) exit 126 ;; esac; exec /bin/readlink "$@"')
    with subprocess.Popen([program, "60"]) as running:
        try:
            done = host.configure(host.unpack("2.0"))
        finally:
            running.kill()

    assert done.returncode == 0, done.stderr
    assert used.is_dir()
    assert not unused.exists()


def test_no_version_goes_where_nobody_can_say_what_is_run(host: Host) -> None:
    other = host.home / "versions/0.9-0123456789ab"
    other.mkdir()
    for script in ("exit 127", "echo 'find: /proc: Cannot allocate memory' >&2; exit 1"):
        host.tool("find", f'case "$1" in /proc) {script} ;; esac; exec /usr/bin/find "$@"')
        done = host.configure(host.unpack("2.0"))
        assert done.returncode == 0, done.stderr
        assert other.is_dir()


def test_where_nobody_can_be_set_to_watch_the_service_of_the_boot_does_it(host: Host) -> None:
    record = host.place / "var/lib/limpet-minion/upgrade/record.json"
    record.parent.mkdir()
    host.tool("systemd-run", "exit 1")
    host.tool("timeout", f"echo '{{}}' >{record}")
    done = host.configure(host.unpack("2.0"))

    assert done.returncode == 0, done.stderr
    calls = [each for each in host.calls() if each.startswith("systemctl ")]
    assert "systemctl start --no-block limpet-minion-upgrade.service" in calls
    assert not begun(calls, {"systemctl": "restart"})


def test_an_upgrade_that_was_refused_restarts_nothing(host: Host) -> None:
    build = host.unpack("1.0")
    done = host.script("postinst", "abort-upgrade", "2.0", build=build)

    assert done.returncode == 0, done.stderr
    assert not begun(host.calls(), {"systemctl": "restart"})
    host.configure(build)
    assert begun(host.calls(), {"systemctl": "restart"})


@pytest.mark.parametrize("role", ROLES)
def test_a_purge_goes_on_where_something_can_not_be_removed(tmp_path: Path, role: RoleName) -> None:
    host = Host(tmp_path, role)
    state = tmp_path / f"var/lib/limpet{'' if role == 'master' else '-minion'}"
    state.mkdir()
    setup = tmp_path / f"etc/limpet/{role}.d/50-setup.yaml"
    setup.parent.mkdir(parents=True)
    setup.write_text("a: b")
    busy = 'echo "$0: device or resource busy" >&2; exit 1'  # as with a mount point
    host.tool("rm", f'case "$*" in *{state}) {busy} ;; esac; exec /bin/rm "$@"')
    host.tool("getent", "exit 0")
    for name in ("usermod", "userdel", "groupdel", "chgrp"):
        host.tool(name, "exit 8")
    done = host.script("postrm", "purge", build="1.0-0123456789ab")

    assert done.returncode == 0, done.stderr
    assert f"{state} stays" in done.stderr
    assert not setup.exists()


def test_an_upgrade_ends_when_the_package_is_removed_and_the_rest_of_the_state_stays(
    host: Host,
) -> None:
    upgrade = host.place / "var/lib/limpet-minion/upgrade"
    upgrade.mkdir(parents=True)
    for name in ("record.json", "last.json"):
        (upgrade / name).write_text("{}")

    for script in ("prerm", "postrm"):
        done = host.script(script, "remove", build="1.0-0123456789ab")
        assert done.returncode == 0, done.stderr

    assert [each.name for each in upgrade.iterdir()] == ["last.json"]
    assert not (host.home / "versions").exists()
