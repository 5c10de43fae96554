"""The builder's own judgements, without a build."""

import gzip
from pathlib import Path

import pytest

from deb.documents import changelog
from deb.facts import MAINTAINER, RELEASED_STORE_SCHEMAS, Facts, first_of_schema
from deb.interpreter import DROPPED_EXTENSIONS, LIBRARY_NAMES, fetch
from deb.programs import BuildError, FetchError, run
from deb.roles import ROLES, preset_of, units_of
from deb.source import VERSION_FILE, look_at


def tree(place: Path, text: str) -> Path:
    (place / VERSION_FILE).parent.mkdir(parents=True)
    (place / VERSION_FILE).write_text(text)
    (place / "pyproject.toml").write_text("")
    return place


def test_the_version_is_the_tree_s_with_a_suffix_for_the_lab(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    source = look_at(tree(tmp_path, '__version__ = "0.3.0"\n'), "+lab1")
    assert (source.version, source.base_version, source.epoch_s) == (
        "0.3.0+lab1",
        "0.3.0",
        1700000000,
    )


def test_packages_are_the_maintainers_whoever_builds_them() -> None:
    assert MAINTAINER == "limpet maintainers <maintainers@limpet.invalid>"
    assert f" -- {MAINTAINER}  " in gzip.decompress(changelog(ROLES["minion"], "1.0", 0)).decode()


@pytest.mark.parametrize("suffix", ["lab1", "+", "+Lab", "-1", "+a_b", "+a/../b"])
def test_a_suffix_that_is_no_version_is_refused(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(BuildError, match="no version suffix"):
        look_at(tree(tmp_path, '__version__ = "0.3.0"\n'), suffix)


def test_a_tree_of_something_else_is_named(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="no tree of limpet"):
        look_at(tmp_path)
    with pytest.raises(BuildError, match="says no __version__"):
        look_at(tree(tmp_path, ""))


def test_a_program_that_fails_is_quoted_and_one_that_hangs_is_ended() -> None:
    with pytest.raises(BuildError, match=r"ended with 3:\nno room"):
        run("sh", "-c", "echo no room >&2; exit 3")
    with pytest.raises(BuildError, match=r"not done after 0\.1 s"):
        run("sleep", "60", deadline_s=0.1)
    with pytest.raises(BuildError, match="no-such-program is not here"):
        run("no-such-program")


def test_the_way_back_ends_where_the_schema_changed() -> None:
    released = RELEASED_STORE_SCHEMAS["0.1.0"]
    same = Facts(released, 1, 1, 2)
    higher = Facts(released + 1, 1, 1, 2)
    assert first_of_schema(same, "0.2.0") == "0.1.0"
    assert first_of_schema(higher, "0.2.0") == "0.2.0"
    assert first_of_schema(higher, "0.10.0") == "0.10.0"


def test_units_go_to_the_package_of_their_name(tmp_path: Path) -> None:
    for name in ("limpet-master.service", "limpet-enrol.service", "limpet-minion.service",
                 "limpet-jobs.slice", "README.md"):  # fmt: skip
        (tmp_path / name).write_text("")
    (tmp_path / "80-limpet.preset").write_text(
        "# why\ndisable limpet-master.service\nenable limpet-minion-upgrade.service\n"
    )
    named = {role: [unit.name for unit in units_of(ROLES[role], tmp_path)] for role in ROLES}
    assert named == {
        "minion": ["limpet-jobs.slice", "limpet-minion.service"],
        "master": ["limpet-enrol.service", "limpet-master.service"],
    }
    assert preset_of(ROLES["minion"], tmp_path) == "enable limpet-minion-upgrade.service\n"
    assert preset_of(ROLES["master"], tmp_path) == "disable limpet-master.service\n"

    (tmp_path / "limpet-other.service").write_text("")
    with pytest.raises(BuildError, match=r"limpet-other\.service belongs to no package"):
        units_of(ROLES["minion"], tmp_path)


@pytest.mark.parametrize(
    "name, is_taken",
    [
        ("libssl.so.3", True), ("libbz2.so.1.0", True), ("libsqlite3.so.0", True),
        ("libsqlite3.so.0.8.6", False), ("libexpatw.so.1", False), ("libc.so.6", False),
    ],
)  # fmt: skip
def test_a_library_is_taken_by_the_name_that_programs_ask_for(name: str, is_taken: bool) -> None:
    assert bool(LIBRARY_NAMES.match(name)) is is_taken


@pytest.mark.parametrize(
    "name, is_dropped",
    [("_testcapi.c.so", True), ("nis.c.so", True), ("_crypt.c.so", False), ("_ctypes.c.so", False)],
)
def test_extensions_without_their_library_are_dropped(name: str, is_dropped: bool) -> None:
    assert bool(DROPPED_EXTENSIONS.match(name)) is is_dropped


def test_a_machine_whose_apt_has_another_python_is_told_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, said in (("apt-cache", "echo 'Package: python3.13'"), ("apt-get", "exit 0")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{said}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(FetchError, match=r"build on Debian 12: apt has no python3\.11-minimal"):
        fetch(tmp_path / "cache")
