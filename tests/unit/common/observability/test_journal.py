"""Records for the journal: their fields, their bounds, and what becomes of them without it."""

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from limpet.common.observability.journal import DATAGRAM_BYTES_MAX, Journal, field_name
from limpet.common.observability.logs import Level, Log


class Listener:
    """What listens in the journal's place, on a socket of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.settimeout(5.0)

    def record(self) -> dict[str, str]:
        return parsed(self.socket.recv(1 << 20))


def parsed(datagram: bytes) -> dict[str, str]:
    """Read a record as the journal would: fields with a `=` in each line."""
    lines = datagram.decode("utf-8").split("\n")
    assert lines.pop() == "", "the last line has an end as well"
    found: dict[str, str] = {}
    for line in lines:
        name, sign, value = line.partition("=")
        assert sign, line
        assert len(name) <= 64, name
        assert name.isascii(), name
        assert name.upper() == name, name
        assert name not in found
        found[name] = value
    return found


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    made = Listener(tmp_path / "socket")
    yield made
    made.socket.close()


@pytest.fixture
def stderr(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path / "stderr", os.O_RDWR | os.O_CREAT)
    yield fd
    os.close(fd)


@pytest.fixture
def log(listener: Listener, stderr: int) -> Iterator[Log]:
    journal = Journal("limpet-minion", str(listener.path))
    yield Log(fd=stderr, has_priorities=True, marks={"minion": "web1"}, journal=journal)
    journal.close()


def on_stderr(fd: int) -> str:
    return os.pread(fd, 1 << 20, 0).decode()


def test_a_record_has_its_fields_and_its_line(log: Log, listener: Listener, stderr: int) -> None:
    log.warning("the store is slow", commit_ms=812, path="a b")

    assert listener.record() == {
        "MESSAGE": 'the store is slow commit_ms=812 path="a b"',
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "limpet-minion",
        "LIMPET_COMMIT_MS": "812",
        "LIMPET_PATH": "a b",
        "LIMPET_MINION": "web1",
    }
    assert on_stderr(stderr) == ""


def test_a_topic_is_a_field_and_so_is_the_minion_that_it_is_about(
    log: Log, listener: Listener, stderr: int
) -> None:
    journal = Journal("limpet-master", str(listener.path))
    master = Log(fd=stderr, has_priorities=True, journal=journal)
    master.report("error", "cloned db1", "the key of db1 is in use on two hosts")
    first = listener.record()
    journal.close()
    log.report("warning", "lost beats", "the link is lost")
    second = listener.record()
    log.report("warning", "trust refused", "the master's next keys are not kept")
    third = listener.record()  # a topic of both, about another minion only on the master

    assert (third["LIMPET_TOPIC"], third["LIMPET_MINION"]) == ("trust", "web1")
    assert third["LIMPET_REASON"] == "refused"
    assert (first["LIMPET_TOPIC"], first["LIMPET_MINION"]) == ("cloned", "db1")
    assert (second["LIMPET_TOPIC"], second["LIMPET_MINION"]) == ("lost", "web1")
    assert second["LIMPET_REASON"] == "beats"
    assert "LIMPET_REASON" not in first


@pytest.mark.covers("B-72")
@pytest.mark.parametrize("text", ["a\nPRIORITY=0", "a\n\0", "\x1b[2J", "\u2028MESSAGE=x", "\udcff"])
def test_nothing_that_came_from_outside_makes_a_field(
    log: Log, listener: Listener, text: str
) -> None:
    log.error(text, id=text)

    record = listener.record()
    assert record["PRIORITY"] == "3"
    assert set(record) == {
        "MESSAGE",
        "PRIORITY",
        "SYSLOG_IDENTIFIER",
        "LIMPET_ID",
        "LIMPET_MINION",
    }


def test_what_is_too_long_is_cut_and_what_is_too_much_is_left_out(
    log: Log, listener: Listener
) -> None:
    many = {f"field{number}": "é" * 5000 for number in range(40)}

    log.write(Level.ERROR, "x" * 1_000_000, many)

    data = listener.socket.recv(1 << 20)
    assert 4000 < len(data) <= DATAGRAM_BYTES_MAX
    record = parsed(data)
    assert "more characters" in record["MESSAGE"]
    assert len(record["LIMPET_FIELD0"]) < 1100


def test_without_a_journal_a_line_with_its_priority_is_on_stderr(
    log: Log, listener: Listener, stderr: int
) -> None:
    listener.socket.close()
    os.unlink(listener.path)

    log.error("nobody listens", why="gone")

    assert on_stderr(stderr) == "<3>nobody listens why=gone\n"


def test_a_journal_that_reads_nothing_holds_nobody_up_and_is_used_again_afterwards(
    log: Log, listener: Listener, stderr: int
) -> None:
    for number in range(2000):  # the kernel keeps a few hundred at most (max_dgram_qlen, rmem)
        log.info("much", number=number)
    kept = on_stderr(stderr).splitlines()

    assert kept[-1] == "<6>much number=1999"
    assert kept == [f"<6>much number={number}" for number in range(2000 - len(kept), 2000)]
    for number in range(2000 - len(kept)):
        assert listener.record()["LIMPET_NUMBER"] == str(number)
    log.info("again")
    assert listener.record()["MESSAGE"] == "again"


def test_a_journal_that_was_started_anew_gets_the_next_record(log: Log, listener: Listener) -> None:
    listener.socket.close()
    os.unlink(listener.path)
    anew = Listener(listener.path)

    log.info("here")

    assert anew.record()["MESSAGE"] == "here"
    anew.socket.close()


def test_a_journal_whose_socket_is_gone_is_not_waited_for(stderr: int, tmp_path: Path) -> None:
    journal = Journal("limpet-minion", str(tmp_path / "none"))
    assert not journal.send(6, "x", {})
    journal.close()
    assert not journal.send(6, "x", {})


def test_names_of_fields_are_what_the_journal_takes() -> None:
    assert field_name("repeated") == "LIMPET_REPEATED"
    assert field_name("a.b-c é") == "LIMPET_A_B_C__"
    assert len(field_name("x" * 100)) == 64


def test_the_stream_of_the_journal_is_known_by_its_inode(
    stderr: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the stream, but no journal at its usual place, lines have to do."""
    status = os.fstat(stderr)
    assert stat.S_ISREG(status.st_mode)
    monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
    if Path("/run/systemd/journal/socket").exists():
        pytest.skip("this host has a journal: nothing is to be written into it")

    log = Log(fd=stderr, identifier="limpet-master")
    log.error("it failed")
    log.close()

    assert on_stderr(stderr) == "<3>it failed\n"
