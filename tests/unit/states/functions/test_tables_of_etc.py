"""The tables of hosts, file systems and kernel settings as texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limpet.common.errors import HostError
from limpet.states.data.lines import lines_of
from limpet.states.functions.cron.tab import Job, Tab, parse
from limpet.states.functions.hosts.table import Table as Hosts
from limpet.states.functions.mount import entry, listed
from limpet.states.functions.mount.fstab import Line, Table, decoded, encoded

FSTAB = "# table\nproc /proc proc defaults 0 0\nUUID=abc\t/data  ext4  defaults,noatime 0  2\n"
HOSTS = "127.0.0.1 localhost\n# c\n10.0.0.1 a  a.example # tail\n\n10.0.0.2 b\n"


@given(st.text("ab #\t\n.1:", max_size=60))
def test_a_table_that_nothing_changes_stays_as_it_is(text: str) -> None:
    whole = "".join(f"{line}\n" for line in text.splitlines())
    assert Table.of(text).text() == whole
    assert Hosts(text).text() == whole


@pytest.mark.covers("B-69")
@pytest.mark.parametrize(
    "end", ["\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]
)
def test_what_only_python_takes_for_a_line_end_makes_no_line(end: str) -> None:
    """A comment with such a character, written once, came back as a line when written again."""
    hidden = f"# a comment{end}* * * * * evil"
    assert Table.of(f"{hidden}\n").text() == f"{hidden}\n"
    assert Hosts(f"{hidden}\n").text() == f"{hidden}\n"
    assert parse(f"{hidden}\n").own == [hidden]
    managed = Tab(jobs=[Job("backup", comment=f"daily{end}* * * * * evil", identifier="b")])
    again = parse(managed.text())
    assert [each.command for each in again.jobs] == ["backup"]
    assert again.text() == managed.text()


@pytest.mark.parametrize(
    "text, found",
    [("", []), ("a", ["a"]), ("a\n", ["a"]), ("a\r\nb\r\n\n", ["a", "b", ""]), ("a\rb", ["a\rb"])],
)
def test_a_line_ends_with_a_line_feed(text: str, found: list[str]) -> None:
    assert lines_of(text) == found


def test_a_name_is_added_to_its_address_and_taken_away_again() -> None:
    table = Hosts(HOSTS)

    table.add("10.0.0.1", "z")
    table.remove("10.0.0.2", "b")

    assert table.text() == ("127.0.0.1 localhost\n# c\n10.0.0.1\t\ta a.example z\t\t# tail\n\n")
    assert table.data()["10.0.0.1"] == {"aliases": ["a", "a.example", "z"], "comment": "tail"}
    table.set("10.0.0.1", ())
    assert table.addresses("z") == []


@pytest.mark.parametrize(
    "line, told, changed",
    [
        (("/data", "UUID=abc", "ext4", "defaults,noatime", 0, 2), "present", ""),
        (("/data", "UUID=abc", "ext4", "ro", 0, 2), "change", "UUID=abc\t\t/data\text4\tro\t0 2"),
        (("/other", "UUID=abc", "ext4", "ro", 0, 2), "change", "UUID=abc\t\t/other\text4\tro\t0 2"),
        (("/data", "/dev/sdb", "ext4", "ro", 0, 0), "change", "/dev/sdb\t\t/data\text4\tro\t0 0"),
        (("/t mp", "tmpfs", "tmpfs", "ro", 0, 0), "new", "tmpfs\t\t/t\\040mp\ttmpfs\tro\t0 0"),
    ],
)  # fmt: skip
def test_one_line_of_a_place_or_device_is_put(
    line: tuple[str, str, str, str, int, int], told: str, changed: str
) -> None:
    table = Table.of(FSTAB)

    assert table.put(entry(*line)) == told
    assert changed in table.text()
    assert Table.of(table.text()).put(entry(*line)) == "present"
    assert table.text().startswith("# table\nproc /proc proc defaults 0 0\n")


def test_lines_are_removed_by_place_and_device() -> None:
    table = Table.of(FSTAB)

    assert table.remove("/data", "UUID=other") is False
    assert table.remove("/data", None) is True
    assert table.text() == "# table\nproc /proc proc defaults 0 0\n"
    assert Line.of("too few words") == Line("too few words")


@given(st.text(max_size=20))
def test_a_word_of_the_table_comes_back_as_it_was(text: str) -> None:
    assert decoded(encoded(text)) == text


@pytest.mark.parametrize("odd", ["a\nb /x ext4 defaults 0 0", "\0"])
def test_no_value_makes_a_line_of_its_own(odd: str) -> None:
    for at in range(4):
        words = ["/x", "/dev/x", "ext4", "ro"]
        words[at] = odd
        with pytest.raises(HostError):
            entry(words[0], words[1], words[2], [words[3]], 0, 0)


def test_options_come_as_list_or_text() -> None:
    assert listed("ro, noexec") == listed(["ro", "noexec"]) == ["ro", "noexec"]
    assert listed(None) == listed("") == []


@pytest.mark.parametrize("match_on", [["fs_file"], "place", []])
def test_a_field_that_a_table_does_not_have_is_refused(match_on: str | list[str]) -> None:
    table = Table.of("tmpfs /m tmpfs size=1m 0 0\n")

    # No line would ever fit it, and every run would add one more.
    with pytest.raises(HostError, match="match_on"):
        table.put(Line("", "tmpfs", "/m", "tmpfs"), match_on)
