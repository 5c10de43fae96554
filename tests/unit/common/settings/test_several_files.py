"""`minion.d/*.yaml` beside `minion.yaml`: merged in the order of their names."""

from pathlib import Path

import pytest

from limpet.common.errors import SourceError
from limpet.common.settings.loader import at_key, exposed_secrets, load
from limpet.common.settings.minion import MinionConfiguration


@pytest.fixture
def main(tmp_path: Path) -> Path:
    (tmp_path / "minion.d").mkdir()
    path = tmp_path / "minion.yaml"
    write(path, "id: web1\ngrains:\n  role: web\n  rack: {row: 1}\n")
    return path


def write(path: Path, text: str, mode: int = 0o600) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def test_a_later_file_wins_and_mappings_are_merged(main: Path) -> None:
    write(main.parent / "minion.d/20-b.yaml", "log_level: debug\ngrains:\n  rack: {unit: 7}\n")
    write(main.parent / "minion.d/10-a.yaml", "log_level: error\nid: web2\n")
    write(main.parent / "minion.d/.hidden.yaml", "id: wrong\n")
    write(main.parent / "minion.d/notes.txt", "not: read\n")
    found = load(MinionConfiguration, main)
    assert (found.id, found.log_level) == ("web2", "debug")
    assert found.grains == {"role": "web", "rack": {"row": 1, "unit": 7}}


def test_a_list_is_replaced_whole(main: Path) -> None:
    write(main.parent / "minion.d/a.yaml", "refuse: [cmd.*]\n")
    write(main.parent / "minion.d/b.yaml", "refuse: [file.*]\n")
    assert load(MinionConfiguration, main).refuse == ("file.*",)


def test_directories_are_taken_from_the_place_of_the_file_that_names_them(main: Path) -> None:
    write(main.parent / "minion.d/a.yaml", "file_roots:\n  base: states\n")
    found = load(MinionConfiguration, main)
    assert found.file_roots == {"base": (str(main.parent / "minion.d/states"),)}


def test_the_directory_alone_is_enough(main: Path) -> None:
    main.unlink()
    write(main.parent / "minion.d/a.yaml", "id: db1\n")
    assert load(MinionConfiguration, main).id == "db1"


@pytest.mark.parametrize(
    "text, expected",
    [
        ("prot: 1\n", "unknown key 'prot'; did you mean 'port'?"),
        ("\nport: abc\n", "port: expected int, got str"),
        ("id: UP PER\n", "id: "),
    ],
)
def test_a_mistake_is_told_with_the_file_that_it_stands_in(
    main: Path, text: str, expected: str
) -> None:
    write(main.parent / "minion.d/a.yaml", text)
    with pytest.raises(SourceError) as raised:
        load(MinionConfiguration, main)
    line = 1 + text.startswith("\n")
    assert str(raised.value).startswith(f"{main.parent}/minion.d/a.yaml:{line}: {expected}")


def test_a_secret_in_a_readable_file_is_told(main: Path) -> None:
    other = main.parent / "minion.d/join.yaml"
    write(other, "join: something\n", 0o644)
    told = exposed_secrets(MinionConfiguration(), main)
    assert len(told) == 1
    assert str(other) in told[0]


def test_a_key_is_found_where_it_was_said_last(main: Path) -> None:
    write(main.parent / "minion.d/a.yaml", "\nport: 5000\n")
    found = at_key(main, "port", 5000, "is taken")
    assert found is not None
    assert str(found).startswith(f"{main.parent}/minion.d/a.yaml:2: is taken")
