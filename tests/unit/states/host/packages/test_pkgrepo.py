from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limpet.common.errors import HostError, UsageError
from limpet.states.functions.pkg import openpgp
from limpet.states.functions.pkg.apt_sources import SourcesFile, parse_line, repository_of
from limpet.states.ports.machine import Command, Completed
from support.hosts.placed_packages import PlacedPackages
from support.packaging.package_bench import PackageBench

LINE = "deb [arch=amd64 signed-by=/etc/apt/keyrings/k.gpg] http://deb.example.org/x stable main"
PARAGRAPHS = """\
# the base
Types: deb deb-src
URIs: http://deb.example.org/x
Suites: stable stable-updates
Components: main contrib
Signed-By: /k.gpg

Types: deb
URIs: http://deb.example.org/y
Suites: ./
Enabled: no
"""
KEY = bytes([0xC6, 40]) + bytes(range(40))
"""A packet of the kind of public keys; nobody looks inside."""


@pytest.fixture
def bench(tmp_path: Path) -> PackageBench:
    packages = PlacedPackages(place=tmp_path)
    made = PackageBench(packages, tmp_path)
    made.tree.files["key.asc"] = openpgp.armoured(KEY)
    made.tree.files["key.gpg"] = KEY
    made.tree.files["page.html"] = b"<html>not found</html>"
    return made


def test_a_line_is_read_with_its_options_and_written_again() -> None:
    found = parse_line(f"# {LINE} contrib # ours")

    assert found is not None
    assert (found.type, found.uri, found.suite) == ("deb", "http://deb.example.org/x", "stable")
    assert found.components == ("main", "contrib")
    assert found.architectures == ["amd64"]
    assert found.option("signed-by") == "/etc/apt/keyrings/k.gpg"
    assert (found.is_enabled, found.comment) == (False, "ours")
    assert found.whole_line == f"# {LINE} contrib #ours"


@pytest.mark.parametrize(
    "line", ["", "# just words", "deb", "deb http://x", "rpm http://x y z", "deb [a b] http://x y"]
)
def test_what_is_no_repository_is_none(line: str) -> None:
    assert parse_line(line) is None


def test_a_line_break_smuggles_no_second_repository_in() -> None:
    with pytest.raises(UsageError, match="is not valid"):
        repository_of("deb http://x y main\ndeb http://evil y main")


def test_other_lines_of_a_file_stay_as_they_are() -> None:
    file = SourcesFile("/s.list", "# mine\ndeb http://a.example.org x main\n\nodd line\n")
    file.put(repository_of("deb http://a.example.org/ x main contrib"))
    file.put(repository_of("deb http://b.example.org x main"))

    assert file.text == (
        "# mine\ndeb http://a.example.org/ x main contrib\n\nodd line\n"
        "deb http://b.example.org x main\n"
    )
    assert file.drop(("deb", "http://b.example.org", "x"))
    assert not file.drop(("deb", "http://b.example.org", "x"))


def test_paragraphs_give_each_type_and_suite_by_itself() -> None:
    found = list(SourcesFile("/s.sources", PARAGRAPHS).repositories())

    assert [(each.type, each.suite) for each in found] == [
        ("deb", "stable"), ("deb-src", "stable"), ("deb", "stable-updates"),
        ("deb-src", "stable-updates"), ("deb", "./"),
    ]  # fmt: skip
    assert found[0].line == "deb [signed-by=/k.gpg] http://deb.example.org/x stable main contrib"
    assert [each.is_enabled for each in found] == [True] * 4 + [False]


def test_a_paragraph_about_several_is_split_when_one_of_them_changes() -> None:
    file = SourcesFile("/s.sources", PARAGRAPHS)
    file.put(repository_of("deb [signed-by=/k.gpg] http://deb.example.org/x stable main"))

    found = {each.key: each for each in SourcesFile("/s.sources", file.text).repositories()}

    assert found["deb", "http://deb.example.org/x", "stable"].components == ("main",)
    assert found["deb-src", "http://deb.example.org/x", "stable"].components == ("main", "contrib")
    assert len(found) == 5
    assert file.text.startswith("# the base\n")


def test_dropping_the_last_of_a_suite_only_shortens_the_paragraph() -> None:
    file = SourcesFile("/s.sources", "Types: deb\nURIs: http://x\nSuites: a b\nComponents: main\n")
    file.drop(("deb", "http://x", "a"))

    assert file.text == "Types: deb\nURIs: http://x\nSuites: b\nComponents: main\n"


WORDS = st.from_regex(r"[a-z][a-z0-9/.-]{0,8}", fullmatch=True)
LINES = st.builds(
    lambda type_, options, uri, suite, components: " ".join(
        [
            type_,
            *([f"[{' '.join(f'{k}={v}' for k, v in options.items())}]"] if options else []),
            f"http://{uri}",
            suite,
            *components,
        ]
    ),
    st.sampled_from(["deb", "deb-src"]),
    st.dictionaries(st.sampled_from(["arch", "signed-by", "trusted", "lang"]), WORDS, max_size=3),
    WORDS,
    WORDS,
    st.lists(WORDS, max_size=3),
)


@pytest.mark.parametrize("path", ["/x.list", "/x.sources"])
def test_what_is_written_is_read_as_it_was(path: str) -> None:
    @settings(max_examples=80, deadline=None)
    @given(lines=st.lists(LINES, max_size=4))
    def law(lines: list[str]) -> None:
        file = SourcesFile(path)
        wanted: dict[tuple[str, str, str], Any] = {}
        for line in lines:
            repository = repository_of(line)
            file.put(repository)
            wanted[repository.key] = repository
        read = SourcesFile(path, file.text)
        found = {each.key: each for each in read.repositories()}
        assert set(found) == set(wanted)
        for key, repository in wanted.items():
            assert found[key].components == repository.components
            assert dict(found[key].options) == dict(repository.options)
        assert read.text == file.text

    law()


def test_a_key_keeps_its_bytes_through_the_armour() -> None:
    assert openpgp.plain(openpgp.armoured(KEY)) == KEY
    assert openpgp.armoured(b"\x99" * 70).splitlines()[-2].startswith(b"=")
    assert openpgp.fitting(KEY, "/k.asc").startswith(b"-----BEGIN PGP PUBLIC KEY BLOCK-----")
    assert openpgp.fitting(openpgp.armoured(KEY), "/k.gpg") == KEY
    with pytest.raises(HostError, match="no OpenPGP key"):
        openpgp.check(b"<html>", "http://x")


def test_a_repository_is_put_down_once_with_its_key(bench: PackageBench, tmp_path: Path) -> None:
    file, key = tmp_path / "sources.list.d/x.list", tmp_path / "keyrings/x.gpg"
    wish: dict[str, Any] = {
        "name": f"deb [signed-by={key}] http://deb.example.org stable main",
        "file": str(file),
        "key_url": "salt://key.asc",
        "aptkey": False,
    }

    foreseen = bench.call("pkgrepo.managed", is_test=True, **wish)
    assert not file.exists()
    outcome = bench.call("pkgrepo.managed", **wish)
    again = bench.call("pkgrepo.managed", **wish)

    assert (foreseen.result, foreseen.changes) == (None, {"repo": wish["name"]})
    assert str(foreseen.comment).startswith(f"Package repo '{wish['name']}' would be configured.")
    assert (outcome.result, outcome.changes) == (True, {"repo": wish["name"]})
    assert outcome.comment == f"Configured package repo '{wish['name']}'"
    assert file.read_text() == f"{wish['name']}\n"
    assert key.read_bytes() == KEY
    assert again.comment == f"Package repo '{wish['name']}' already configured"
    assert (again.changes, bench.packages.refreshed) == ({}, 1)


def test_a_key_that_got_lost_is_brought_again(bench: PackageBench, tmp_path: Path) -> None:
    key = tmp_path / "keyrings/x.asc"
    wish: dict[str, Any] = {
        "name": f"deb [signed-by={key}] http://x s main",
        "key_url": "salt://key.gpg",
    }
    bench.call("pkgrepo.managed", **wish)
    key.unlink()

    outcome = bench.call("pkgrepo.managed", **wish)

    assert outcome.changes == {"key": {"old": "", "new": str(key)}}
    assert openpgp.plain(key.read_bytes()) == KEY


def test_changes_are_told_by_salts_names(bench: PackageBench, tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text("deb [signed-by=/a.gpg] http://x s main\n")

    outcome = bench.call(
        "pkgrepo.managed", name="deb [signed-by=/b.gpg] http://x s main", comps="main,contrib",
        disabled=True,
    )  # fmt: skip

    old, new = "deb [signed-by=/a.gpg] http://x s main", "# deb [signed-by=/b.gpg] http://x s main"
    assert outcome.changes == {
        "comps": {"new": ["main", "contrib"], "old": ["main"]},
        "signedby": {"new": "/b.gpg", "old": "/a.gpg"},
        "disabled": {"new": True, "old": False},
        "line": {"new": f"{new} contrib", "old": old},
    }
    assert (tmp_path / "sources.list").read_text() == f"{new} contrib\n"


def test_a_clean_file_has_nothing_else(bench: PackageBench, tmp_path: Path) -> None:
    file = tmp_path / "sources.list.d/x.list"
    file.parent.mkdir()
    file.write_text("deb http://old s main\ndeb http://x s main\n")
    wish: dict[str, Any] = {"name": "deb http://x s main", "file": str(file), "clean_file": True}

    assert bench.call("pkgrepo.managed", **wish).result is True
    assert file.read_text() == "deb http://x s main\n"
    assert bench.call("pkgrepo.managed", **wish).changes == {}


def test_where_a_repository_stands_already_it_is_changed(
    bench: PackageBench, tmp_path: Path
) -> None:
    (tmp_path / "sources.list").write_text("deb http://x s main\n")
    other = tmp_path / "sources.list.d/other.list"

    outcome = bench.call("pkgrepo.managed", name="deb http://x/ s main", file=str(other))

    assert (outcome.result, outcome.changes) == (True, {})
    assert not other.exists()


def test_a_consolidated_repository_stands_in_its_file_alone(
    bench: PackageBench, tmp_path: Path
) -> None:
    main, file = tmp_path / "sources.list", tmp_path / "sources.list.d/x.list"
    main.write_text("deb http://x s main\ndeb http://y s main\n")
    wish: dict[str, Any] = {"name": "deb http://x s main", "file": str(file), "consolidate": True}

    foreseen = bench.call("pkgrepo.managed", is_test=True, **wish)
    outcome = bench.call("pkgrepo.managed", **wish)

    assert foreseen.changes == outcome.changes
    assert outcome.changes == {"file": {"old": [str(main)], "new": str(file)}}
    assert main.read_text() == "deb http://y s main\n"
    assert file.read_text() == "deb http://x s main\n"
    assert bench.call("pkgrepo.managed", **wish).changes == {}


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"name": "nonsense"}, "Name nonsense is not valid"),
        (
            {"name": "deb http://x s main", "key_url": "salt://gone"},
            "there is no key at salt://gone",
        ),
        ({"name": "deb http://x s main", "key_url": "salt://page.html"}, "no OpenPGP key"),
        ({"name": "deb http://x s main", "aptkey": False}, "missing 'signedby'"),
        ({"name": "deb http://x s main", "file": "/etc/passwd"}, "ends in .list or .sources"),
        ({"name": "deb http://x s main", "keyid": "--help", "keyserver": "k.example.org"}, "no id"),
        ({"name": "deb http://x s main", "keyid": "0123ABCD"}, "No keyserver"),
        ({"name": "ppa:a/b"}, "PPAs are made for Ubuntu"),
    ],
)
def test_a_wish_that_cannot_be_met_says_why(
    bench: PackageBench, tmp_path: Path, wish: dict[str, Any], told: str
) -> None:
    outcome = bench.call("pkgrepo.managed", **wish)

    assert outcome.result is False
    assert str(outcome.comment).startswith(f"Failed to configure repo '{wish['name']}': ")
    assert told in str(outcome.comment)
    assert not (tmp_path / "sources.list").exists()


def test_lists_that_cannot_be_fetched_fail_the_state(bench: PackageBench) -> None:
    bench.packages.unreachable = ("E: gone",)

    outcome = bench.call("pkgrepo.managed", name="deb http://x s main")

    assert (outcome.result, outcome.changes) == (False, {"repo": "deb http://x s main"})
    assert outcome.comment == "Failed to configure repo 'deb http://x s main': E: gone"


def test_without_a_refresh_the_next_installation_fetches_the_lists(bench: PackageBench) -> None:
    bench.packages.repository["vim"] = ["1"]
    bench.packages.repository["lib"] = ["1"]
    bench.call("pkg.installed", name="vim")
    bench.call("pkgrepo.managed", name="deb http://x s main", refresh=False)
    assert bench.packages.refreshed == 1

    bench.call("pkg.installed", name="lib")

    assert bench.packages.refreshed == 2


def test_a_ppa_is_a_line_and_a_key_that_launchpad_names(
    bench: PackageBench, tmp_path: Path
) -> None:
    bench.functions.load_grains = lambda _context: {"os": "Ubuntu", "oscodename": "noble"}
    bench.tree.files["https://api.launchpad.net/1.0/~own/+archive/ubuntu/tools"] = (
        b'{"signing_key_fingerprint": "' + b"A" * 40 + b'"}'
    )
    bench.host.commands.installed["gpg"] = "/usr/bin/gpg"
    bench.host.commands.answer = lambda command: Completed(
        1, 0, KEY if "--export" in command.argv else b"", b""
    )

    outcome = bench.call("pkgrepo.managed", name="ppa:own/tools")

    assert outcome.result is True
    assert (tmp_path / "sources.list.d/own-tools-noble.list").read_text() == (
        "deb https://ppa.launchpadcontent.net/own/tools/ubuntu noble main\n"
    )
    assert (tmp_path / f"trusted.gpg.d/{'A' * 40}.gpg").read_bytes() == KEY
    assert "A" * 40 in bench.host.commands.ran[0].argv
    assert bench.call("pkgrepo.managed", name="ppa:own/tools").changes == {}


def test_a_key_server_that_does_not_answer_is_named(bench: PackageBench) -> None:
    bench.host.commands.installed.update(gpg="/usr/bin/gpg", gpgconf="/usr/bin/gpgconf")

    def silent(command: Command) -> Completed:
        assert command.timeout_s is not None
        return Completed(1, -15, b"", b"", is_timed_out=True)

    bench.host.commands.answer = silent

    outcome = bench.call(
        "pkgrepo.managed", name="deb http://x s main", keyid="0123ABCD", keyserver="k.example.org"
    )

    assert "0123ABCD can't be had from k.example.org: no answer in time" in str(outcome.comment)
    assert bench.host.commands.ran[-1].argv[-2:] == ("--kill", "all"), "gpg's helpers are ended"


def test_absent_takes_the_repository_and_a_file_that_is_empty_then(
    bench: PackageBench, tmp_path: Path
) -> None:
    file = tmp_path / "sources.list.d/x.list"
    file.parent.mkdir()
    file.write_text("deb http://x s main\n")

    foreseen = bench.call("pkgrepo.absent", name="deb http://x s main", is_test=True)
    assert file.exists()
    outcome = bench.call("pkgrepo.absent", name="deb http://x s main")
    again = bench.call("pkgrepo.absent", name="deb http://x s main")

    assert (foreseen.result, foreseen.changes) == (None, {"repo": "deb http://x s main"})
    assert outcome.comment == "Removed repo deb http://x s main"
    assert not file.exists()
    assert (again.result, again.changes) == (True, {})


def test_absent_leaves_the_components_that_are_not_named(
    bench: PackageBench, tmp_path: Path
) -> None:
    (tmp_path / "sources.list").write_text("deb http://x s main contrib\n")

    bench.call("pkgrepo.absent", name="deb http://x s main")

    assert (tmp_path / "sources.list").read_text() == "deb http://x s contrib\n"


def test_functions_show_and_change_repositories(bench: PackageBench, tmp_path: Path) -> None:
    name = "deb [signed-by=/k.gpg] http://x s main"

    changed = bench.ask("pkg.mod_repo", name, file=str(tmp_path / "sources.list.d/x.list"))

    shown = bench.ask("pkg.get_repo", "deb http://x/ s main")
    assert changed == {name: shown}
    assert (shown["line"], shown["dist"], shown["comps"]) == (name, "s", ["main"])
    assert bench.ask("pkg.list_repos") == {"http://x": [shown]}
    assert bench.ask("pkg.get_repo", "deb http://y s main") == {}
    bench.ask("pkg.del_repo", name)
    with pytest.raises(HostError, match="doesn't exist in the sources"):
        bench.ask("pkg.del_repo", name)


def test_dnf_has_a_file_for_each_repository(bench: PackageBench, tmp_path: Path) -> None:
    bench.packages.kind = "dnf"
    wish: dict[str, Any] = {
        "name": "tools", "humanname": "The tools", "baseurl": "http://x/$releasever",
        "gpgcheck": 1, "gpgkey": "http://x/key", "enabled": True, "key_url": "ignored",
    }  # fmt: skip
    file = tmp_path / "yum.repos.d/tools.repo"

    foreseen = bench.call("pkgrepo.managed", is_test=True, **wish)
    assert not file.exists()
    outcome = bench.call("pkgrepo.managed", **wish)
    again = bench.call("pkgrepo.managed", **{**wish, "enabled": "yes"})
    off = bench.call("pkgrepo.managed", name="tools", humanname="The tools", disabled=True)

    assert (foreseen.result, outcome.changes, again.changes) == (None, {"repo": "tools"}, {})
    assert off.changes == {"enabled": {"new": "0", "old": "1"}}
    assert file.read_text() == (
        "[tools]\nname=The tools\nbaseurl=http://x/$releasever\ngpgcheck=1\ngpgkey=http://x/key\n"
        "enabled=0\n"
    )
    assert bench.ask("pkg.get_repo", "tools")["name"] == "The tools"
    assert bench.call("pkgrepo.absent", name="tools").changes == {"repo": "tools"}
    assert not file.exists()


def test_a_dnf_repository_needs_an_address(bench: PackageBench) -> None:
    bench.packages.kind = "dnf"

    outcome = bench.call("pkgrepo.managed", name="tools")

    assert "it needs one of baseurl, mirrorlist, metalink" in str(outcome.comment)
