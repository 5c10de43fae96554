from pathlib import Path
from typing import Any

import pytest

from support.fakes.packages import FakePackages
from support.packaging.made_packages import package
from support.packaging.package_bench import PackageBench


def make_bench() -> PackageBench:
    return PackageBench(
        FakePackages(
            repository={
                "vim": ["1.0-1", "1.2-1", "1.2.3-1", "2:9.0-1"],
                "web": ["1:2.0-1"],
                "lib": ["0.5"],
                "mta-a": ["1"],
            },
            depends={"web": ["lib"]},
            provides={"mta-a": ["mail-transport-agent"]},
        )
    )


def test_a_list_of_packages_is_one_call_of_the_manager() -> None:
    bench = make_bench()

    outcome = bench.call("pkg.installed", pkgs=["web", {"vim": "1.2*"}])

    assert outcome.result is True
    assert outcome.changes == {
        "lib": {"old": "", "new": "0.5"},
        "vim": {"old": "", "new": "1.2.3-1"},
        "web": {"old": "", "new": "1:2.0-1"},
    }
    assert outcome.comment == "The following packages were installed/updated: vim=1.2*, web"
    assert bench.packages.changes == [("install", ("web", "vim=1.2.3-1"))]


def test_what_is_there_is_named_beside_what_was_installed() -> None:
    bench = make_bench()
    bench.packages.present["vim"] = "1.2.3-1"

    outcome = bench.call("pkg.installed", pkgs=[{"vim": ">=1.2"}, "lib"])

    assert outcome.comment == (
        "The following packages were installed/updated: lib\n"
        "The following packages were already installed: vim>=1.2"
    )


@pytest.mark.parametrize(
    ("version", "new"),
    [
        (None, "2:9.0-1"), ("1.0-1", "1.0-1"), ("1.2*", "1.2.3-1"), ("latest", "2:9.0-1"),
        ("<1.2", "installed"), ("7", "installed"),
    ],
)  # fmt: skip
def test_test_mode_says_the_version_where_it_is_clear(version: str | None, new: str) -> None:
    bench = make_bench()

    outcome = bench.call("pkg.installed", name="vim", version=version, is_test=True)

    assert outcome.result is None
    assert outcome.changes == {"vim": {"new": new, "old": ""}}
    assert outcome.comment == "The following packages would be installed/updated: vim"
    assert (bench.packages.changes, bench.packages.refreshed) == ([], 0)


def test_a_number_of_yaml_is_a_version() -> None:
    bench = make_bench()

    outcome = bench.call("pkg.installed", name="vim", version=9.9)

    assert outcome.result is False
    assert "E: Version '9.9' for 'vim' was not found" in str(outcome.comment)


def test_conditions_that_no_version_meets_name_what_there_is() -> None:
    outcome = make_bench().call("pkg.installed", name="web", version=">=3:1")

    assert outcome.comment == (
        "Problem encountered installing package(s). Additional info follows:\n\nerrors:\n"
        "    - No version matching 'web>=3:1' could be found (available: 1:2.0-1)"
    )


def test_an_older_version_is_a_downgrade_that_is_announced_to_the_manager() -> None:
    bench = make_bench()
    bench.packages.present["vim"] = "2:9.0-1"

    outcome = bench.call("pkg.installed", name="vim", version="1.0-1")

    assert outcome.changes == {"vim": {"old": "2:9.0-1", "new": "1.0-1"}}


def test_the_lists_are_fetched_once_in_a_run_and_again_where_that_is_asked() -> None:
    bench = make_bench()

    bench.call("pkg.installed", name="vim")
    bench.call("pkg.installed", name="lib")
    assert bench.packages.refreshed == 1
    bench.call("pkg.installed", name="mta-a", refresh=True)
    assert bench.packages.refreshed == 2
    bench.call("pkg.installed", name="web", refresh=False)
    bench.call("pkg.installed", name="web")
    assert bench.packages.refreshed == 2, "nothing is to be installed, so nothing is fetched"


def test_lists_that_cannot_be_fetched_are_named_only_where_something_fails() -> None:
    bench = make_bench()
    bench.packages.unreachable = ("E: http://gone.example.org is not reachable",)

    assert bench.call("pkg.installed", name="vim").result is True
    failed = bench.call("pkg.installed", name="gone")

    assert failed.result is False
    assert "E: Unable to locate package gone" in str(failed.comment)
    assert "gone.example.org is not reachable" in str(failed.comment)


def test_what_had_been_changed_before_a_failure_is_told() -> None:
    bench = make_bench()
    bench.packages.broken.add("web")

    outcome = bench.call("pkg.installed", pkgs=["vim", "web"])

    assert outcome.result is False
    assert outcome.changes == {"vim": {"old": "", "new": "2:9.0-1"}}


def test_a_held_package_is_installed_as_asked_and_stays_held() -> None:
    bench = make_bench()
    bench.packages.present["vim"] = "1.0-1"
    bench.packages.wishes["vim"] = "hold"

    assert bench.call("pkg.installed", name="vim", version="1.2-1").result is True

    assert bench.packages.present["vim"] == "1.2-1"
    assert bench.packages.wishes["vim"] == "hold"


def test_hold_says_both_changes_in_one() -> None:
    bench = make_bench()

    foreseen = bench.call("pkg.installed", name="vim", hold=True, is_test=True)
    outcome = bench.call("pkg.installed", name="vim", hold=True)
    again = bench.call("pkg.installed", name="vim", hold=True)
    let_go = bench.call("pkg.installed", name="vim", hold=False)

    assert foreseen.result is None
    assert outcome.changes == {"vim": {"old": "install", "new": "2:9.0-1\nhold"}}
    assert str(outcome.comment).endswith("Package vim is now being held.")
    assert (again.result, again.changes) == (True, {})
    assert let_go.changes == {"vim": {"old": "hold", "new": "install"}}


def test_a_provided_name_is_enough_where_capabilities_are_resolved() -> None:
    bench = make_bench()
    bench.packages.present["mta-a"] = "1"

    resolved = bench.call("pkg.installed", name="mail-transport-agent", resolve_capabilities=True)
    plain = bench.call("pkg.installed", name="mail-transport-agent")

    assert (resolved.result, resolved.changes) == (True, {})
    assert plain.result is False


def test_the_native_architecture_is_no_part_of_a_name() -> None:
    bench = make_bench()

    assert bench.call("pkg.installed", name="vim:amd64").result is True
    assert bench.call("pkg.installed", name="vim").changes == {}
    assert bench.call("pkg.removed", name="vim:amd64").changes == {
        "vim": {"old": "2:9.0-1", "new": ""}
    }


def test_only_upgrade_installs_nothing_new() -> None:
    bench = make_bench()

    outcome = bench.call("pkg.installed", name="vim", only_upgrade=True)

    assert (outcome.result, bench.packages.present) == (True, {})


def test_what_is_named_twice_is_refused_and_an_empty_list_is_fine() -> None:
    bench = make_bench()

    assert "more than once" in str(bench.call("pkg.installed", pkgs=["vim", "vim"]).comment)
    empty = bench.call("pkg.installed", pkgs=[])
    assert (empty.result, empty.comment) == (True, "No packages to install provided")


def test_a_file_that_is_not_there_names_itself() -> None:
    outcome = make_bench().call("pkg.installed", sources=[{"own": "/no/such/own.deb"}])

    assert outcome.result is False
    assert "/no/such/own.deb does not exist on minion" in str(outcome.comment)


@pytest.mark.parametrize(
    ("present", "in_file", "is_installed"),
    [("1.4", "1.5", True), ("1.5", "1.5", False), ("1.6", "1.5", True), ("1.4", "", False)],
)
def test_a_file_of_another_version_than_the_one_that_is_here_is_installed(
    tmp_path: Path, present: str, in_file: str, is_installed: bool
) -> None:
    """Salt looks into the file as well, and installs it where the versions differ."""
    bench = make_bench()
    bench.packages.present["own"] = present
    path = tmp_path / "own.deb"
    path.write_bytes(package(Package="own", Version=in_file) if in_file else b"not of Debian")

    foreseen = bench.call("pkg.installed", sources=[{"own": str(path)}], is_test=True)
    outcome = bench.call("pkg.installed", sources=[{"own": str(path)}])

    assert foreseen.result is (None if is_installed else True)
    assert outcome.result is True
    expected = {"own": {"old": present, "new": "1.5"}} if is_installed else {}
    assert outcome.changes == expected


def test_removed_keeps_and_purged_takes_what_is_left() -> None:
    bench = make_bench()
    bench.packages.present.update(vim="1.0-1", web="1:2.0-1", lib="0.5")

    foreseen = bench.call("pkg.removed", pkgs=["vim", "nothing"], is_test=True)
    removed = bench.call("pkg.removed", pkgs=["vim", "nothing"])
    again = bench.call("pkg.removed", name="vim")
    purged = bench.call("pkg.purged", pkgs=["vim", "lib"])
    clean = bench.call("pkg.purged", pkgs=["vim", "lib"])

    assert foreseen.changes == {"vim": {"new": "removed", "old": ""}}
    assert removed.comment == (
        "The following packages were not installed: nothing The following packages were removed: "
        "vim."
    )
    assert again.comment == "All specified packages are already absent"
    assert purged.changes == {
        "installed": {"lib": {"old": "0.5", "new": ""}, "web": {"old": "1:2.0-1", "new": ""}},
        "removed": {"vim": {"old": "1.0-1", "new": ""}},
    }
    assert clean.comment == "None of the targeted packages are installed or partially installed"


def test_only_the_named_version_is_removed() -> None:
    bench = make_bench()
    bench.packages.present["vim"] = "1.0-1"

    other = bench.call("pkg.removed", name="vim", version="1.2-1")
    outcome = bench.call("pkg.removed", name="vim", version="<1.2")

    assert (
        other.comment == "All specified packages (matching specified versions) are already absent"
    )
    assert outcome.changes == {"vim": {"old": "1.0-1", "new": ""}}


def test_a_package_that_will_not_go_is_a_failure() -> None:
    bench = make_bench()
    bench.packages.present["vim"] = "1.0-1"
    bench.packages.stubborn.add("vim")

    outcome = bench.call("pkg.removed", name="vim")

    assert outcome.result is False
    assert "E: vim can't be removed" in str(outcome.comment)


def test_latest_upgrades_what_is_old_and_installs_what_is_missing() -> None:
    bench = make_bench()
    bench.packages.present.update(vim="1.0-1", lib="0.5")

    foreseen = bench.call("pkg.latest", pkgs=["vim", "lib", "mta-a"], is_test=True)
    outcome = bench.call("pkg.latest", pkgs=["vim", "lib", "mta-a"])
    again = bench.call("pkg.latest", pkgs=["vim", "lib", "mta-a"])

    wanted = {"vim": {"old": "1.0-1", "new": "2:9.0-1"}, "mta-a": {"old": "", "new": "1"}}
    assert (foreseen.result, foreseen.changes) == (None, wanted)
    assert outcome.changes == wanted
    assert outcome.comment == (
        "The following packages were successfully installed/upgraded: mta-a, vim The following "
        "packages were already up-to-date: lib"
    )
    assert again.comment == "All packages are up-to-date (lib, mta-a, vim)."
    one = bench.call("pkg.latest", name="vim")
    assert one.comment == "Package vim is already up-to-date"
    assert bench.call("pkg.latest", name="gone").comment == "No information found for 'gone'."


def test_uptodate_upgrades_all_or_what_is_named() -> None:
    bench = make_bench()
    bench.packages.present.update(vim="1.0-1", lib="0.4")

    foreseen = bench.call("pkg.uptodate", is_test=True)
    one = bench.call("pkg.uptodate", pkgs=["lib"])
    rest = bench.call("pkg.uptodate")
    clean = bench.call("pkg.uptodate")

    assert foreseen.result is None
    assert foreseen.comment == "System update will be performed"
    assert set(foreseen.changes) == {"vim", "lib"}
    assert one.changes == {"lib": {"old": "0.4", "new": "0.5"}}
    assert rest.changes == {"vim": {"old": "1.0-1", "new": "2:9.0-1"}}
    assert (clean.result, clean.comment) == (True, "System is already up-to-date")


def test_held_has_salts_result_inside_its_changes() -> None:
    bench = make_bench()
    bench.packages.present.update(vim="1.0-1", lib="0.5")
    bench.packages.wishes["lib"] = "hold"

    outcome = bench.call("pkg.held", name="vim", replace=True)

    assert outcome.changes["vim"] == {
        "name": "vim",
        "changes": {"old": "install", "new": "hold"},
        "result": True,
        "comment": "Package vim is now being held.",
    }
    assert bench.packages.wishes == {"vim": "hold", "lib": "install"}
    assert bench.call("pkg.held", name="vim").comment == "No changes made"
    assert set(bench.call("pkg.unheld", all=True).changes) == {"vim"}


def test_a_group_brings_what_is_missing_of_it() -> None:
    bench = make_bench()
    bench.packages.members["tools"] = ["vim", "lib"]
    bench.packages.present["lib"] = "0.5"

    outcome = bench.call("pkg.group_installed", name="tools")

    assert outcome.changes == {"vim": {"old": "", "new": "2:9.0-1"}}
    assert bench.call("pkg.group_installed", name="tools").changes == {}
    assert bench.call("pkg.group_installed", name="others").result is False


def test_downloaded_fetches_and_installs_nothing() -> None:
    bench = make_bench()

    foreseen = bench.call("pkg.downloaded", name="vim", is_test=True)
    outcome = bench.call("pkg.downloaded", name="vim", version="1.2-1")
    again = bench.call("pkg.downloaded", name="vim", version="1.2-1")

    assert foreseen.result is None
    assert outcome.changes == {"vim": {"new": "1.2-1", "old": ""}}
    assert (again.result, again.changes) == (True, {})
    assert bench.packages.present == {}


def test_a_watch_looks_again() -> None:
    bench = make_bench()
    bench.packages.present["vim"] = "1.0-1"

    assert bench.call("pkg.mod_watch", name="vim", sfun="latest").changes == {
        "vim": {"old": "1.0-1", "new": "2:9.0-1"}
    }
    assert bench.call("pkg.mod_watch", name="vim", sfun="held").result is False


@pytest.mark.parametrize(
    ("called", "arguments", "answer"),
    [
        ("pkg.version", ["vim"], "1.0-1"),
        ("pkg.version", ["gone"], ""),
        ("pkg.version", ["vim", "gone"], {"vim": "1.0-1", "gone": ""}),
        ("pkg.version", ["v*"], {"vim": "1.0-1"}),
        ("pkg.latest_version", ["vim"], "2:9.0-1"),
        ("pkg.latest_version", ["lib"], ""),
        ("pkg.latest_version", ["vim", "gone"], {"vim": "2:9.0-1", "gone": ""}),
        ("pkg.upgrade_available", ["vim"], True),
        ("pkg.upgrade_available", ["lib"], False),
        ("pkg.list_upgrades", [], {"vim": "2:9.0-1"}),
        ("pkg.version_cmp", ["1.2", "1.3"], -1),
        ("pkg.version_cmp", ["1:1.2", "1.3", True], -1),
        ("pkg.list_pkgs", [], {"lib": "0.5", "vim": "1.0-1"}),
        ("pkg.list_pkgs", [True], {"lib": ["0.5"], "vim": ["1.0-1"]}),
        ("pkg.list_pkgs", [False, True], {"old": "3"}),
        ("pkg.get_selections", [], {"install": ["vim", "lib"], "deinstall": ["old"]}),
        ("pkg.normalize_name", ["zsh:amd64"], "zsh"),
        ("pkg.normalize_name", ["zsh:i386"], "zsh:i386"),
        ("pkg.parse_arch", ["zsh:i386"], {"name": "zsh", "arch": "i386"}),
        ("pkg.owner", ["/bin/bash"], "bash"),
        ("pkg.owner", ["/bin/bash", "/x"], {"/bin/bash": "bash", "/x": ""}),
        ("pkg.which", ["/x"], False),
        ("pkg.remove", ["gone"], {}),
        ("pkg.remove", ["vim"], {"vim": {"old": "1.0-1", "new": ""}}),
        ("pkg.install", ["mta-a"], {"mta-a": {"old": "", "new": "1"}}),
        ("pkg.list_repo_pkgs", ["vim"], {"vim": ["2:9.0-1", "1.2.3-1", "1.2-1", "1.0-1"]}),
        (
            "pkg.set_selections", [None, {"hold": ["vim"]}],
            {"vim": {"old": "install", "new": "hold"}},
        ),
    ],
)  # fmt: skip
def test_functions_answer_in_salts_shape(called: str, arguments: list[Any], answer: Any) -> None:  # noqa: ANN401
    bench = make_bench()
    bench.packages.present.update(vim="1.0-1", lib="0.5")
    bench.packages.residual["old"] = "3"

    assert bench.ask(called, *arguments) == answer
