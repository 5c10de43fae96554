"""The mirror of the hosts' root is the one that apt uses, in either form of its lists."""

from pathlib import Path

from limpet_lab.root import Source, sources


def test_both_forms_are_read(tmp_path: Path) -> None:
    lists = tmp_path / "sources.list.d"
    lists.mkdir()
    (tmp_path / "sources.list").write_text(
        "# deb http://off.example/debian bookworm main\n"
        "deb [arch=amd64 signed-by=/k.gpg] http://one.example/debian bookworm main contrib\n"
    )
    (lists / "a.sources").write_text(
        "Types: deb\n# a remark\nURIs: http://two.example/debian\n"
        "Suites: bookworm bookworm-updates\nComponents: main\nSigned-By: /k2.gpg\n\n"
        "Enabled: no\nTypes: deb\nURIs: http://off.example\nSuites: x\nComponents: main\n\n"
        "Types: deb-src\nURIs: http://src.example\nSuites: x\nComponents: main\n"
    )
    assert list(sources(tmp_path)) == [
        Source("http://one.example/debian", ("bookworm",), ("main", "contrib"), "/k.gpg"),
        Source("http://two.example/debian", ("bookworm", "bookworm-updates"), ("main",), "/k2.gpg"),
    ]


def test_no_lists_are_no_sources(tmp_path: Path) -> None:
    assert list(sources(tmp_path)) == []
