"""Lines on stderr: their form, their bounds, and that nothing forges or blocks them."""

import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from limpet.common.clock import Instant, Moment
from limpet.common.errors import UsageError
from limpet.common.observability.logs import (
    FIELD_CHARACTERS_MAX,
    LINE_BYTES_MAX,
    NO_MARKS,
    TOPICS_MAX,
    Level,
    Log,
    escaped,
    is_journal,
    parse_level,
)


class HandClock:
    """A clock that the test winds."""

    def __init__(self) -> None:
        self.t = 1000.0

    def now(self) -> Moment:
        return Moment(Instant(self.t), 1_700_000_000.25 + self.t - 1000)


class Sink:
    """A log with a file behind it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT)
        self.clock = HandClock()
        self.log = Log(fd=self.fd, clock=self.clock, has_priorities=True)

    def lines(self) -> list[str]:
        return self.path.read_text(encoding="utf-8").splitlines()


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Sink]:
    made = Sink(tmp_path / "log")
    yield made
    os.close(made.fd)


def test_under_systemd_a_line_begins_with_its_priority(sink: Sink) -> None:
    sink.log.warning("the store is slow", commit_ms=812, path="a b", empty="")
    sink.log.error("it failed")
    assert sink.lines() == [
        '<4>the store is slow commit_ms=812 path="a b" empty=""',
        "<3>it failed",
    ]


def test_elsewhere_a_line_begins_with_the_time_and_the_level(sink: Sink) -> None:
    log = Log(fd=sink.fd, clock=sink.clock, has_priorities=False)
    log.info("ready")
    assert sink.lines() == ["2023-11-14T22:13:20.250Z INFO     ready"]


def test_the_journal_is_known_by_its_device_and_inode(
    sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = os.fstat(sink.fd)
    monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
    assert is_journal(sink.fd)
    monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino + 1}")
    assert not is_journal(sink.fd)
    monkeypatch.setenv("JOURNAL_STREAM", "nonsense")
    assert not is_journal(sink.fd)


@pytest.mark.covers("B-72")
@pytest.mark.parametrize(
    "text",
    ["a\nb", "a\r\n<0>forged", "\x1b[2J", "\x9b31m", "\u2028", "\u202egpj", "\0", "\x7f", "\udcff"],
)
def test_no_text_makes_a_second_line_or_moves_the_cursor(sink: Sink, text: str) -> None:
    sink.log.error(text, id=text)
    lines = sink.lines()
    assert len(lines) == 1
    assert lines[0].isprintable()


@pytest.mark.covers("B-72")
def test_fields_and_lines_are_cut_with_a_mark(sink: Sink) -> None:
    sink.log.error("x" * 1_000_000, a="y" * 1_000_000, b="é" * 5000, c="\x1b" * 5000, d=1)
    (line,) = sink.lines()
    assert "…(998976 more characters)" in line
    assert len(line.encode()) <= LINE_BYTES_MAX + 3
    assert len(escaped("z" * 5000)) < FIELD_CHARACTERS_MAX + 40


def test_a_level_hides_what_is_less_urgent(sink: Sink) -> None:
    sink.log.level = Level.WARNING
    sink.log.info("hidden")
    sink.log.debug("hidden")
    sink.log.warning("shown")
    sink.log.level = Level.QUIET
    sink.log.critical("hidden")
    assert sink.lines() == ["<4>shown"]


@pytest.mark.covers("A11", "I14")
def test_one_topic_is_shown_once_a_minute_with_a_count(sink: Sink) -> None:
    for second in range(150):
        sink.clock.t = 1000.0 + second
        sink.log.report("warning", "link.refused", f"refused, the {second}th time")
    sink.clock.t += 61
    sink.log.sweep()
    sink.clock.t += 61
    sink.log.sweep()
    assert sink.lines() == [
        "<4>refused, the 0th time",
        "<4>refused, the 60th time repeated=59",
        "<4>refused, the 120th time repeated=59",
        "<4>refused, the 149th time repeated=29 seconds_ago=61",
    ]


class Crowded(Log):
    """Before its next line is written, a thread reports all it can."""

    crowd: threading.Thread | None = None

    def write(
        self,
        level: Level,
        text: str,
        fields: Mapping[str, object],
        marks: Mapping[str, object] = NO_MARKS,
    ) -> None:
        crowd, self.crowd = self.crowd, None
        if crowd is not None:
            crowd.start()
            crowd.join(10)
            assert not crowd.is_alive()
        super().write(level, text, fields, marks)


def test_a_thread_that_reports_while_others_are_swept_up_breaks_nothing(sink: Sink) -> None:
    log = Crowded(fd=sink.fd, clock=sink.clock, has_priorities=True)
    for topic in ("one", "two") * 2:
        log.report("info", topic, topic)
    sink.clock.t += 100

    def report() -> None:
        for number in range(TOPICS_MAX):
            log.report("info", f"other {number}", "other")

    log.crowd = threading.Thread(target=report)
    log.sweep()

    lines = sink.lines()
    assert sum("repeated=1" in each for each in lines) == 2
    assert sum("other" in each for each in lines) == TOPICS_MAX


def test_other_topics_are_shown_at_once_and_few_are_remembered(sink: Sink) -> None:
    for number in range(TOPICS_MAX + 10):
        sink.log.report("info", f"topic.{number}", "it")
    assert len(sink.lines()) == TOPICS_MAX + 10
    assert len(sink.log._topics) == TOPICS_MAX


@pytest.mark.covers("I15")
def test_a_stderr_that_nobody_reads_blocks_nothing_and_loses_lines_by_count() -> None:
    reader, writer = os.pipe()
    log = Log(fd=writer, has_priorities=True)
    for _ in range(1000):
        log.error("x" * 900)
    assert log.lines_dropped > 500
    os.read(reader, 1 << 20)
    dropped = log.lines_dropped
    log.error("again")
    assert log.lines_dropped == dropped
    os.close(reader)
    log.error("nobody is there")
    assert log.lines_dropped == dropped + 1
    os.close(writer)
    log.error("not even a descriptor")
    assert log.lines_dropped == dropped + 2


@pytest.mark.covers("I15")
def test_a_full_disk_raises_nothing() -> None:
    fd = os.open("/dev/full", os.O_WRONLY)
    log = Log(fd=fd)
    log.error("no space")
    os.close(fd)
    assert log.lines_dropped == 1


def test_levels_of_salt_are_understood_and_others_are_an_error() -> None:
    assert parse_level("garbage") is parse_level(" DEBUG ") is Level.DEBUG
    with pytest.raises(UsageError, match=r"'loud' is not a log level: use one of quiet, critical"):
        parse_level("loud")
