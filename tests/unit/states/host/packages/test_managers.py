"""What the adapters hand to the managers' tools, and how they read what those print."""

from collections.abc import Callable
from typing import Any

import pytest

from limpet.common.errors import HostError
from limpet.states.host.packages import apt_reading, dnf_reading
from limpet.states.host.packages.apt import Apt
from limpet.states.host.packages.choosing import packages_of
from limpet.states.host.packages.dnf import Dnf
from limpet.states.host.packages.tools import Tools
from limpet.states.ports.machine import Command, Completed
from limpet.states.ports.packages import InstallOptions, Offer, PackageError, Target
from support.fakes.host import FakeCommands, FakeFiles, FakeHost

POLICY = """\
lpa:
  Installed: 1.0-1
  Candidate: 2.0-1
  Version table:
     2.0-1 500
        500 file:/srv/back ./ Packages
     1.2-1 990 (phased 20%)
        990 http://deb.example.org stable/main amd64 Packages
 *** 1.0-1 100
        100 /var/lib/dpkg/status
lpvirt:
  Installed: (none)
  Candidate: (none)
  Version table:
lib:i386:
  Installed: (none)
  Candidate: 3
  Version table:
     3 500
        500 http://deb.example.org stable/main i386 Packages
"""
DNF_LIST = """\
Installed Packages
vim-enhanced.x86_64              2:8.2.2637-20.el9_1                 @appstream
Available Packages
a-package-with-a-name-that-is-much-too-long.noarch
                                 0:1.0-1.el9                         epel
vim-enhanced.x86_64              2:8.2.2637-21.el9                   appstream
vim-enhanced.i686                2:8.2.2637-21.el9                   appstream
"""
DNF_UPDATES = """\

bash.x86_64                      5.1.8-9.el9                         baseos
kernel.x86_64                    5.14.0-427.el9                      baseos
Obsoleting Packages
grub2-tools.x86_64               1:2.06-80.el9                       baseos
    grub2-tools.x86_64           1:2.06-70.el9                       @baseos
"""
GROUP = """\
Group: Development Tools
 Description: A basic development environment.
 Mandatory Packages:
   autoconf
   gcc
 Default Packages:
   git
 Optional Packages:
   ant
"""


def answering(
    answers: dict[str, Completed | str | list[Completed]],
) -> tuple[FakeCommands, Callable[[], list[tuple[str, ...]]]]:
    """Answer commands by the first of the given words that stands in them."""
    commands = FakeCommands()

    def answer(command: Command) -> Completed:
        said = " ".join(command.argv)
        for key, found in answers.items():
            if key in said:
                if isinstance(found, list):
                    return found.pop(0)
                return found if isinstance(found, Completed) else done(found)
        return done("")

    commands.answer = answer
    return commands, lambda: [command.argv for command in commands.ran]


def done(out: str = "", *, code: int = 0, problems: str = "") -> Completed:
    return Completed(1, code, out.encode(), problems.encode())


def make_apt(answers: dict[str, Any], **tools: Any) -> tuple[Apt, Callable[[], list[Any]]]:  # noqa: ANN401
    commands, ran = answering({"--print-architecture": "amd64\n", **answers})
    return Apt(commands, FakeHost().file_system, tools=Tools(commands, **tools)), ran


def make_dnf(answers: dict[str, Any]) -> tuple[Dnf, Callable[[], list[Any]]]:
    commands, ran = answering({"--eval": "x86_64\n", "versionlock list": "", **answers})
    return Dnf(commands, FakeHost().file_system), ran


def test_the_policy_of_apt_is_read_whole() -> None:
    assert apt_reading.offers(POLICY) == {
        "lpa": Offer("2.0-1", ("2.0-1", "1.2-1")),
        "lpvirt": Offer("", ()),
        "lib:i386": Offer("3", ("3",)),
    }


def test_the_list_of_dpkg_tells_what_is_installed_and_what_is_left() -> None:
    lines = [
        "libc6\tamd64\t2.36\tinstall\tinstalled\t",
        "libc6\ti386\t2.36\thold\tinstalled\tlibc6-x (= 1), other",
        "old\tall\t1\tdeinstall\tconfig-files\t",
        "half\tall\t1\tinstall\thalf-configured\t",
        "gone\tall\t\tunknown\tnot-installed\t",
    ]

    found = apt_reading.packages("\n".join(lines), "amd64")

    assert [(each.name, each.is_installed, each.is_residual) for each in found] == [
        ("libc6", True, False), ("libc6:i386", True, False), ("old", False, True),
        ("half", False, False),
    ]  # fmt: skip
    assert (found[1].selection, found[1].provides) == ("hold", ("libc6-x", "other"))


def test_what_apt_says_of_its_lists_is_read() -> None:
    printed = (
        "Hit:1 http://a stable InRelease\nGet:2 http://b sid InRelease [55.4 kB]\n"
        "Ign:3 file:/x ./ InRelease\nErr:4 http://c stable InRelease\nReading package lists...\n"
    )

    assert apt_reading.fetched(printed) == {
        "http://a stable InRelease": None,
        "http://b sid InRelease": True,
        "file:/x ./ InRelease": False,
        "http://c stable InRelease": False,
    }


def test_apt_asks_nobody_and_keeps_changed_configuration() -> None:
    apt, ran = make_apt({}, clock=Clock())
    options = InstallOptions(
        repository="bookworm-backports", with_recommends=False, is_unverified=True,
        may_change_held=True,
    )  # fmt: skip

    apt.install([Target("vim"), Target("web", "1:2.0-1", is_downgrade=True)], options)

    assert ran()[-1] == (
        "apt-get", "-o", "DPkg::Lock::Timeout=120", "-q", "-y",
        "-o", "APT::Cmd::Pattern-Only=1",
        "-o", "DPkg::Options::=--force-confdef", "-o", "DPkg::Options::=--force-confold",
        "-o", "APT::Default-Release=bookworm-backports", "--no-install-recommends",
        "--allow-unauthenticated", "--allow-downgrades", "--allow-change-held-packages",
        "install", "--", "vim", "web=1:2.0-1",
    )  # fmt: skip


def test_apt_replaces_changed_configuration_where_that_is_asked() -> None:
    apt, ran = make_apt({})

    apt.install([Target("vim")], InstallOptions(is_new_configuration=True))

    assert "DPkg::Options::=--force-confnew" in ran()[-1]
    assert not {f"DPkg::Options::=--force-{each}" for each in ("confold", "confdef")} & set(
        ran()[-1]
    )


def test_tools_speak_english_and_ask_no_questions() -> None:
    commands, _ = answering({})
    commands.variables = {"PATH": "/bin", "LANG": "de_DE", "LC_TIME": "fr", "LANGUAGE": "it"}
    host = FakeHost(commands=commands)

    Apt(commands, host.file_system).remove(["vim"])

    environment = commands.ran[-1].environment
    assert environment["DEBIAN_FRONTEND"] == "noninteractive"
    assert environment["LC_ALL"] == "C.UTF-8"
    assert not {"LANG", "LC_TIME", "LANGUAGE"} & set(environment)
    assert environment["PATH"] == "/bin:/usr/local/sbin:/usr/sbin:/sbin"
    assert (commands.ran[-1].umask, commands.ran[-1].cwd) == (0o022, "/")
    assert commands.ran[-1].timeout_s is not None


@pytest.mark.parametrize(
    "name", ["-o", "--help", "vim-", "vi m", "", "vim;id", "../x", "vim/sid", "*", "lib.*", "a=b"]
)
def test_apt_is_handed_no_name_that_it_takes_for_something_else(name: str) -> None:
    apt, ran = make_apt({})
    before = len(ran())

    for action in (
        lambda: apt.install([Target(name)], InstallOptions()),
        lambda: apt.remove([name]),
        lambda: apt.select({name: "hold"}),
        lambda: apt.offers([name]),
    ):
        with pytest.raises(PackageError, match="is no name of a package"):
            action()
    assert len(ran()) == before


@pytest.mark.parametrize("name", ["-y", "--installroot=/x", "a b", "", "$(id)", "a;b", "a\nb"])
def test_dnf_is_handed_no_name_that_it_takes_for_something_else(name: str) -> None:
    dnf, ran = make_dnf({})
    for action in (
        lambda: dnf.install([Target(name)], InstallOptions()),
        lambda: dnf.remove([name]),
        lambda: dnf.offers([name]),
    ):
        with pytest.raises(PackageError, match="is no name of a package"):
            action()
    assert ran() == []


def test_odd_versions_repositories_and_paths_are_refused() -> None:
    apt, ran = make_apt({})
    for target, options in (
        (Target("vim", "1 -o x"), InstallOptions()),
        (Target("vim", "-1"), InstallOptions()),
        (Target("vim"), InstallOptions(repository="-o")),
        (Target("vim", path="relative.deb"), InstallOptions()),
    ):
        with pytest.raises(PackageError):
            apt.install([target], options)
    assert all("install" not in argv for argv in ran())


LOCKED = done(
    code=100,
    problems="E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7 (apt)",
)


class Clock:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_a_lock_is_waited_for() -> None:
    clock = Clock()
    answers = {"apt-get": [LOCKED, LOCKED, done("Hit:1 http://a s InRelease\n")]}
    apt, _ran = make_apt(answers, clock=clock, sleep=clock.sleep)

    assert apt.refresh().sources == {"http://a s InRelease": None}
    assert clock.now == 2.0


def test_who_holds_a_lock_for_too_long_is_named() -> None:
    clock = Clock()
    answers: dict[str, Any] = {"apt-config": "lock='5'\netc='/etc/apt/'\n", "apt-get": LOCKED}
    apt, _ran = make_apt(answers, clock=clock, sleep=clock.sleep)

    with pytest.raises(PackageError) as caught:
        apt.refresh()

    assert "It is held by process 7 (apt)" in caught.value.errors[0]
    assert caught.value.errors[-1].startswith("waited 5 s for it")
    assert clock.now <= 5.0


def test_a_broken_dpkg_says_what_to_do() -> None:
    said = (
        "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the "
        "problem."
    )
    apt, _ = make_apt({"apt-get": done(code=100, problems=f"{said}\n")})

    with pytest.raises(PackageError) as caught:
        apt.install([Target("vim")], InstallOptions())

    assert caught.value.errors[0] == said
    assert caught.value.errors[1].endswith("then run: dpkg --configure -a")


def test_a_failing_script_of_a_package_is_told_with_its_words() -> None:
    problems = (
        "dpkg: error processing package bad (--configure):\n"
        " installed bad package post-installation script subprocess returned error exit status 1\n"
        "E: Sub-process /usr/bin/dpkg returned an error code (1)\n"
    )
    apt, _ = make_apt({"apt-get": done(code=100, problems=problems)})

    with pytest.raises(PackageError) as caught:
        apt.install([Target("bad")], InstallOptions())

    assert caught.value.errors[0] == (
        "dpkg: error processing package bad (--configure): installed bad package "
        "post-installation script subprocess returned error exit status 1"
    )


def test_a_tool_that_hangs_is_an_error_that_names_it() -> None:
    commands, _ = answering({})
    commands.answer = lambda _command: Completed(1, -15, b"", b"", is_timed_out=True)

    with pytest.raises(PackageError, match="dpkg-query did not end within 180 s"):
        Apt(commands, FakeHost().file_system).owners(["/bin/ls"])


def test_lists_of_dnf_are_read_though_long_names_break_them() -> None:
    found = list(dnf_reading.listed(DNF_LIST))

    assert [(each.name, each.architecture, each.version, each.repository) for each in found] == [
        ("vim-enhanced", "x86_64", "2:8.2.2637-20.el9_1", "appstream"),
        ("a-package-with-a-name-that-is-much-too-long", "noarch", "1.0-1.el9", "epel"),
        ("vim-enhanced", "x86_64", "2:8.2.2637-21.el9", "appstream"),
        ("vim-enhanced", "i686", "2:8.2.2637-21.el9", "appstream"),
    ]


def test_dnf_offers_the_newest_first_and_keeps_architectures_apart() -> None:
    dnf, ran = make_dnf({"list --showduplicates": DNF_LIST})

    found = dnf.offers(["vim-enhanced", "gone"], repository="appstream")

    assert found == {
        "vim-enhanced": Offer("2:8.2.2637-21.el9", ("2:8.2.2637-21.el9", "2:8.2.2637-20.el9_1"))
    }
    assert ran()[0] == (
        "dnf", "-q", "--repo=appstream", "list", "--showduplicates", "--", "vim-enhanced", "gone",
    )  # fmt: skip


def test_updates_of_dnf_end_where_the_obsolete_begin() -> None:
    dnf, _ = make_dnf({"check-update": done(DNF_UPDATES, code=100)})

    assert dnf.upgrades() == {"bash": "5.1.8-9.el9", "kernel": "5.14.0-427.el9"}


def test_dnf_installs_downgrades_and_reinstalls_by_calls_of_their_own() -> None:
    dnf, ran = make_dnf({})
    options = InstallOptions(
        disabled=("base", "extras"), enabled=("tools",), settings=("tools.module_hotfixes=true",),
        with_recommends=False,
    )  # fmt: skip

    dnf.install(
        [
            Target("new", "1:2.0-1"),
            Target("old", "1.0-1", is_downgrade=True),
            Target("same", is_reinstall=True),
            Target("own", path="/srv/own.rpm"),
        ],
        options,
    )

    flags = (
        "--enablerepo=tools", "--disablerepo=base", "--disablerepo=extras",
        "--setopt=tools.module_hotfixes=true", "--setopt=install_weak_deps=0",
    )  # fmt: skip
    assert ran() == [
        ("dnf", "-y", *flags, "downgrade", "--", "old-1.0-1"),
        ("dnf", "-y", *flags, "reinstall", "--", "same"),
        ("dnf", "-y", *flags, "install", "--", "new-1:2.0-1", "/srv/own.rpm"),
    ]


def test_rpm_tells_what_is_installed_and_versionlock_what_is_held() -> None:
    printed = (
        "bash\t0\t5.1.8\t9.el9\tx86_64\tbash,config(bash),/bin/sh,\n"
        "vim\t2\t8.2\t20.el9\tx86_64\tvim,editor,\nglibc\t0\t2.34\t1\ti686\tglibc,\n"
        "gpg-pubkey\t0\tabc\tdef\t(none)\t\n"
    )
    dnf, _ = make_dnf({"rpm -qa": printed, "versionlock list": "vim-2:8.2-20.el9.*\n"})

    found = {each.name: each for each in dnf.known()}

    assert {name: each.version for name, each in found.items()} == {
        "bash": "5.1.8-9.el9",
        "vim": "2:8.2-20.el9",
        "glibc.i686": "2.34-1",
    }
    assert found["vim"].selection == "hold"
    assert "editor" in found["vim"].provides
    assert (dnf.normal_name("vim.x86_64"), dnf.normal_name("glibc.i686")) == ("vim", "glibc.i686")


def test_a_group_of_dnf_is_read_by_its_parts() -> None:
    dnf, _ = make_dnf({"group info": GROUP})

    assert dnf.group_packages("Development Tools") == {
        "mandatory": ["autoconf", "gcc"],
        "default": ["git"],
        "optional": ["ant"],
    }


def test_errors_of_dnf_are_told() -> None:
    answer = done(code=1, problems="Error: Unable to find a match: gone\n")
    dnf, _ = make_dnf({"install": answer})

    with pytest.raises(PackageError) as caught:
        dnf.install([Target("gone")], InstallOptions())

    assert caught.value.errors == ["Error: Unable to find a match: gone"]


@pytest.mark.parametrize(
    ("programs", "release", "kind"),
    [
        (["apt-get", "dpkg-query"], "ID=debian\n", "apt"),
        (["apt-get", "dpkg-query", "dnf", "rpm"], 'ID=ubuntu\nID_LIKE="debian"\n', "apt"),
        (["apt-get", "dpkg-query", "dnf", "rpm"], "ID=fedora\n", "dnf"),
        (["yum", "rpm"], 'ID="centos"\nID_LIKE="rhel fedora"\n', "dnf"),
    ],
)
def test_the_distribution_decides_which_manager_it_is(
    programs: list[str], release: str, kind: str
) -> None:
    commands = FakeCommands(installed={name: f"/usr/bin/{name}" for name in programs})
    files = FakeFiles(texts={"/etc/os-release": release})

    assert packages_of(commands, files, FakeHost().file_system).kind == kind


def test_a_machine_with_neither_is_told_what_is_supported() -> None:
    files = FakeFiles(texts={"/etc/os-release": "ID=arch\n"})

    with pytest.raises(HostError, match=r"os-release: arch.*apt \(Debian.*dnf or yum"):
        packages_of(FakeCommands(), files, FakeHost().file_system)
