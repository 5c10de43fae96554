"""The states of packages against the real apt, dpkg, debconf and update-alternatives.

They work below a directory of the test's own and install packages that were made a moment ago;
the machine's own packages are not touched, and no network is needed.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from limpet.states.functions import registry as functions
from limpet.states.host.machine import ThisMachine
from limpet.states.outcome import Outcome
from support.packaging.apt_repository import AptRepository, PrivateApt, why_not
from support.packaging.wheels import build_wheel
from support.states.state_bench import StateBench, chunk

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "it can be done here")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> AptRepository:
    made = AptRepository(tmp_path_factory.mktemp("repository"))
    for version in ("1.0-1", "1.2-1", "1.2.3-1"):
        made.add("lpa", version, conffiles={"etc/lpa.conf": f"from {version}\n"})
    made.add("lpb", "1:2.0-1", depends="lpc")
    made.add("lpc", "0.5", recommends="lpd")
    made.add("lpd", "3")
    made.add("lpmta", "1", provides="lpvirtual")
    made.add("lpbad", "1", scripts={"postinst": "#!/bin/sh\nexit 1\n"})
    made.publish()
    made.build("lpown", "1.5")
    return made


@pytest.fixture
def apt(tmp_path: Path, repository: AptRepository, monkeypatch: pytest.MonkeyPatch) -> PrivateApt:
    made = PrivateApt(tmp_path / "root")
    made.use(repository)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture
def bench(apt: PrivateApt, tmp_path: Path) -> StateBench:
    place = tmp_path / "bench"
    place.mkdir()
    made = StateBench(place)
    made.call("pkg.uptodate", name="first")  # fetches the lists
    return made


def versions(apt: PrivateApt) -> dict[str, str]:
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${Version} ${db:Status-Status}\n"],
        env={**os.environ, **apt.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line.split() for line in done.stdout.splitlines()]
    return {name: version for name, version, status in lines if status == "installed"}


def agreed(bench: StateBench, called: str, **arguments: Any) -> Outcome:  # noqa: ANN401
    """Announce, do and repeat a state; give what was done."""
    announced = bench.call(called, is_test=True, **arguments)
    done = bench.call(called, **arguments)
    again = bench.call(called, **arguments)
    assert done.result is True, done
    assert announced.result is (None if done.changes else True), (announced, done)
    assert bool(announced.changes) == bool(done.changes), (announced, done)
    assert (again.result, dict(again.changes)) == (True, {}), again
    return done


def test_packages_come_go_and_change_their_version(bench: StateBench, apt: PrivateApt) -> None:
    old = agreed(bench, "pkg.installed", name="lpa", version="1.0-1")
    newer = agreed(bench, "pkg.installed", name="lpa", version=">=1.2,<1.2.3")
    both = agreed(bench, "pkg.installed", name="x", pkgs=[{"lpa": "1.0*"}, "lpb"])

    assert old.changes == {"lpa": {"old": "", "new": "1.0-1"}}
    assert newer.changes == {"lpa": {"old": "1.0-1", "new": "1.2-1"}}
    assert both.changes == {
        "lpa": {"old": "1.2-1", "new": "1.0-1"},
        "lpb": {"old": "", "new": "1:2.0-1"},
        "lpc": {"old": "", "new": "0.5"},
        "lpd": {"old": "", "new": "3"},
    }
    latest = agreed(bench, "pkg.latest", name="x", pkgs=["lpa", "lpb"])
    assert latest.changes == {"lpa": {"old": "1.0-1", "new": "1.2.3-1"}}
    assert versions(apt) == {"lpa": "1.2.3-1", "lpb": "1:2.0-1", "lpc": "0.5", "lpd": "3"}
    assert agreed(bench, "pkg.removed", name="lpc").changes == {
        "lpb": {"old": "1:2.0-1", "new": ""},
        "lpc": {"old": "0.5", "new": ""},
    }
    assert agreed(bench, "pkg.removed", name="lpa").changes == {
        "lpa": {"old": "1.2.3-1", "new": ""}
    }
    assert agreed(bench, "pkg.purged", name="lpa").changes == {
        "installed": {},
        "removed": {"lpa": {"old": "1.2.3-1", "new": ""}},
    }
    assert versions(apt) == {"lpd": "3"}


def test_recommended_packages_are_left_out_where_that_is_asked(
    bench: StateBench, apt: PrivateApt
) -> None:
    agreed(bench, "pkg.installed", name="lpb", install_recommends=False)

    assert versions(apt) == {"lpb": "1:2.0-1", "lpc": "0.5"}


@pytest.mark.parametrize(("is_new", "kept"), [(False, "mine\n"), (True, "from 1.2.3-1\n")])
def test_changed_configuration_is_kept_unless_new_one_is_asked_for(
    bench: StateBench, apt: PrivateApt, is_new: bool, kept: str
) -> None:
    bench.call("pkg.installed", name="lpa", version="1.0-1")
    (apt.place / "etc/lpa.conf").write_text("mine\n")

    assert bench.call("pkg.latest", name="lpa", force_conf_new=is_new).result is True

    assert (apt.place / "etc/lpa.conf").read_text() == kept


def test_held_packages_stay_until_they_are_let_go(bench: StateBench, apt: PrivateApt) -> None:
    agreed(bench, "pkg.installed", name="lpa", version="1.0-1", hold=True)

    assert bench.call("pkg.uptodate", name="x").changes == {}
    asked = bench.call("pkg.installed", name="lpa", version="1.2-1")
    assert asked.changes == {"lpa": {"old": "1.0-1", "new": "1.2-1"}}
    assert bench.call("pkg.uptodate", name="x").changes == {}, "it is held as before"
    agreed(bench, "pkg.unheld", name="lpa")
    assert agreed(bench, "pkg.uptodate", name="x").changes == {
        "lpa": {"old": "1.2-1", "new": "1.2.3-1"}
    }
    agreed(bench, "pkg.held", name="lpa")


def test_a_file_of_a_package_is_installed(
    bench: StateBench, apt: PrivateApt, repository: AptRepository
) -> None:
    own = str(repository.place / "lpown_1.5_all.deb")

    done = agreed(bench, "pkg.installed", name="x", sources=[{"lpown": own}])

    assert done.changes == {"lpown": {"old": "", "new": "1.5"}}


def test_what_cannot_be_installed_says_why_in_apts_own_words(
    bench: StateBench, apt: PrivateApt
) -> None:
    gone = bench.call("pkg.installed", name="x", pkgs=["lpd", "lpgone"])
    virtual = bench.call("pkg.installed", name="lpvirtual")
    bad = bench.call("pkg.installed", name="lpbad")

    assert gone.result is False
    assert "    - E: Unable to locate package lpgone" in str(gone.comment)
    assert "lpvirtual is a virtual package; lpmta provides it" in str(virtual.comment)
    assert agreed(bench, "pkg.installed", name="lpvirtual", resolve_capabilities=True).changes == {}
    assert bad.result is False
    assert "dpkg: error processing package lpbad" in str(bad.comment)
    assert "then run: dpkg --configure -a" in str(bad.comment)
    assert versions(apt) == {"lpmta": "1"}
    purged = bench.call("pkg.purged", name="lpbad")
    assert purged.result is True


def test_no_regular_expression_installs_what_nobody_named(
    bench: StateBench, apt: PrivateApt
) -> None:
    assert bench.call("pkg.installed", name="lp.").result is False
    assert versions(apt) == {}


def wait_for_locks(bench: StateBench, apt: PrivateApt, seconds: int) -> None:
    """Configure how long locks are waited for, and look at the machine afresh."""
    with apt.configuration.open("a") as configuration:
        configuration.write(f'DPkg::Lock::Timeout "{seconds}";\n')
    bench.host = ThisMachine()


def test_who_holds_the_lock_is_named_after_the_wait(bench: StateBench, apt: PrivateApt) -> None:
    wait_for_locks(bench, apt, 1)
    program = (
        "import fcntl, sys, time\nfile = open(sys.argv[1], 'w')\n"
        "fcntl.lockf(file, fcntl.LOCK_EX)\nprint('held', flush=True)\ntime.sleep(60)\n"
    )
    lock = apt.place / "var/lib/dpkg/lock-frontend"
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(lock)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        outcome = bench.call("pkg.installed", name="lpd", refresh=False)
    finally:
        holder.kill()
        holder.communicate()

    assert outcome.result is False
    assert f"It is held by process {holder.pid}" in str(outcome.comment)
    assert "waited 1 s for it" in str(outcome.comment)
    assert bench.call("pkg.installed", name="lpd", refresh=False).result is True


def test_the_lock_of_the_lists_is_waited_for(bench: StateBench, apt: PrivateApt) -> None:
    wait_for_locks(bench, apt, 1)
    with (apt.place / "var/lib/apt/lists/lock").open("w") as lock:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        outcome = bench.call("pkg.installed", name="lpd", refresh=True)

    assert outcome.result is False
    assert f"It is held by process {os.getpid()}" in str(outcome.comment)


def test_functions_know_the_real_packages(bench: StateBench, apt: PrivateApt) -> None:
    context = bench.context().functions
    bench.call("pkg.installed", name="lpa", version="1.2-1")

    def ask(called: str, *positional: Any, **keyword: Any) -> Any:  # noqa: ANN401
        return functions.call(called, list(positional), keyword, context)

    assert ask("pkg.version", "lpa") == "1.2-1"
    assert ask("pkg.latest_version", "lpa", "lpb", "gone", refresh=False) == {
        "lpa": "1.2.3-1", "lpb": "1:2.0-1", "gone": "",
    }  # fmt: skip
    assert ask("pkg.list_pkgs") == {"lpa": "1.2-1"}
    assert ask("pkg.list_repo_pkgs", "lpa") == {"lpa": ["1.2.3-1", "1.2-1", "1.0-1"]}
    assert ask("pkg.owner", "/etc/lpa.conf") == "lpa"
    assert "/etc/lpa.conf" in ask("pkg.file_list", "lpa")["files"]
    information = ask("pkg.info_installed", "lpa")["lpa"]
    assert (information["version"], information["name"]) == ("1.2-1", "lpa")
    assert information["install_date"].endswith("Z")
    assert ask("pkg.show", "lpd")["lpd"]["3"]["Section"] == "misc"
    assert ask("pkg.install", "lpb") != {}
    assert ask("pkg.remove", "lpb") == {"lpb": {"old": "1:2.0-1", "new": ""}}
    assert ask("pkg.autoremove", list_only=True) == ["lpc", "lpd"]
    assert set(ask("pkg.autoremove")) == {"lpc", "lpd"}
    assert ask("pkg.list_upgrades", refresh=False) == {"lpa": "1.2.3-1"}
    assert ask("pkg.upgrade") == {"lpa": {"old": "1.2-1", "new": "1.2.3-1"}}


def test_a_repository_is_managed_and_used_in_one_run(
    bench: StateBench, apt: PrivateApt, tmp_path: Path
) -> None:
    other = AptRepository(tmp_path / "other")
    other.add("lpnew", "7")
    other.publish()
    name = f"deb [trusted=yes] file:{other.place} ./"
    file = apt.place / "etc/apt/sources.list.d/other.list"
    states = (
        chunk("pkgrepo.managed", "repository", name=name, file=str(file), aptkey=False),
        chunk("pkg.installed", "lpnew"),
    )

    first, second = bench.run(*states), bench.run(*states)

    assert first["repository"]["changes"] == {"repo": name}
    assert first["lpnew"]["changes"] == {"lpnew": {"old": "", "new": "7"}}
    assert [each["changes"] for each in second.values()] == [{}, {}]
    assert file.read_text() == f"{name}\n"
    assert bench.call("pkgrepo.absent", name=name).result is True
    assert not file.exists()


def test_debconf_is_asked_and_answered(bench: StateBench, apt: PrivateApt) -> None:
    if shutil.which("debconf-communicate") is None:
        pytest.skip("this machine has no debconf")
    data = {
        "lpx/enabled": {"type": "boolean", "value": True},
        "lpx/number": {"type": "string", "value": 5},
        "lpx/password": {"type": "password", "value": "open sesame"},
    }
    bench.tree.files["selections"] = b"# ours\nlpx lpx/number string 6\n"

    done = agreed(bench, "debconf.set", name="lpx", data=data)
    filed = agreed(bench, "debconf.set_file", name="x", source="salt://selections")

    assert done.changes == {
        "lpx/enabled": "true",
        "lpx/number": "5",
        "lpx/password": "(password hidden)",
    }
    assert filed.changes == {"lpx/number": "6"}
    shown = functions.call("debconf.show", ["lpx"], {}, bench.context().functions)
    assert sorted(shown) == [
        ["lpx/enabled", "boolean", "true"],
        ["lpx/number", "string", "6"],
        ["lpx/password", "password", "(password omitted)"],
    ]
    assert "open sesame" in (apt.place / "var/cache/debconf/passwords.dat").read_text()


def test_alternatives_lead_where_they_are_told(bench: StateBench, apt: PrivateApt) -> None:
    if shutil.which("update-alternatives") is None:
        pytest.skip("this machine has no update-alternatives")
    for name in ("one", "two"):
        path = apt.place / "opt" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    link: dict[str, Any] = {"name": "lped", "link": "/usr/bin/lped"}

    agreed(bench, "alternatives.install", **link, path="/opt/one", priority=10)
    second = agreed(bench, "alternatives.install", **link, path="/opt/two", priority=5)
    chosen = agreed(bench, "alternatives.set", name="lped", path="/opt/two")

    assert "not set to default" in str(second.comment)
    assert chosen.changes == {"path": "/opt/two"}
    context = bench.context().functions
    assert functions.call("alternatives.show_current", ["lped"], {}, context) == "/opt/two"
    assert functions.call("alternatives.show_link", ["lped"], {}, context) == "/usr/bin/lped"
    agreed(bench, "alternatives.auto", name="lped")
    removed = agreed(bench, "alternatives.remove", name="lped", path="/opt/one")
    assert removed.changes == {"path": "/opt/two"}
    unknown = bench.call("alternatives.set", name="lped", path="/opt/three")
    assert unknown.comment == "Alternative /opt/three for lped doesn't exist"
    assert bench.call("alternatives.remove", name="gone", path="/opt/one").result is False


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_an_environment_gets_its_python_packages(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    for version in ("1.0", "1.1", "2.0"):
        build_wheel(wheels, "lw-a", version)
    build_wheel(wheels, "lwb", "1.0", requires="lwc")
    build_wheel(wheels, "lwc", "0.5")
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(f"--no-index\n--find-links {wheels}\nlw-a==1.0\n")
    place = str(tmp_path / "venv")
    bench = StateBench(tmp_path)
    source: dict[str, Any] = {"bin_env": place, "no_index": True, "find_links": str(wheels)}

    agreed(bench, "virtualenv.managed", name=place, venv_bin="venv")
    one = agreed(bench, "pip.installed", name="lw-a >= 1.0, < 1.1", **source)
    newest = bench.call("pip.installed", name="lw-a", upgrade=True, **source)
    two = agreed(bench, "pip.installed", name="x", pkgs=["lw_a", "lwb"], **source)
    older = agreed(bench, "pip.installed", name="x", requirements=str(requirements), bin_env=place)
    removed = bench.call("pip.removed", name="lwb", bin_env=place)
    gone = bench.call("pip.installed", name="nosuch", **source)

    assert one.changes == {"lw-a==1.0": "Installed"}
    assert newest.changes == {"lw-a==2.0": "Installed"}
    assert (two.name, two.changes) == ("lw_a;lwb", {"lwb==1.0": "Installed"})
    assert older.changes == {"requirements": True}
    assert removed.changes == {"lwb": "Removed"}
    assert (gone.result, gone.changes) == (False, {})
    context = bench.context().functions
    found = functions.call("pip.list", [], {"bin_env": place}, context)
    assert (found["lw-a"], found["lwc"]) == ("1.0", "0.5")


def test_this_machine_has_a_manager() -> None:
    assert ThisMachine().packages.kind in ("apt", "dnf")
