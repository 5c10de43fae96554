"""The thread that writes the master's keys: one piece after the other, each answered."""

import select
from pathlib import Path

import pytest

from limpet.common.errors import SourceError
from limpet.common.transport.sockets import make_keypair, public_key_of
from limpet.master.master_keys.io.key_files import KeyFiles
from limpet.master.master_keys.io.key_writer import KeyWriter
from limpet.master.master_keys.key_work import KeysWritten, KeyWork


def files(directory: Path) -> KeyFiles:
    """Open key files."""
    return KeyFiles(directory, make=make_keypair, public_of=public_key_of)


def collected(writer: KeyWriter, number: int) -> list[KeysWritten]:
    """Wait for answers."""
    done: list[KeysWritten] = []
    while len(done) < number:
        assert select.select([writer], [], [], 10.0)[0], "no answer"
        done += writer.collect()
    return done


def test_work_is_done_in_order_and_each_piece_answered(tmp_path: Path) -> None:
    loaded = files(tmp_path).load(1000.0)
    assert loaded.announced is not None
    writer = KeyWriter(files(tmp_path), lambda: 2000.0, lambda: None)
    try:
        for work in (KeyWork("raise", 5000), KeyWork("fresh"), KeyWork("switch")):
            writer.write(work)
        raised, fresh, switched = collected(writer, 3)
    finally:
        writer.close()
    assert raised.announced is not None
    assert fresh.announced is not None
    assert raised.announced.serial == 5001
    assert fresh.announced.serial == 5002
    assert switched == KeysWritten(KeyWork("switch"), None)
    after = files(tmp_path).load(3000.0)
    assert after.pair.public == fresh.announced.following[0].key


@pytest.mark.covers("H6")
def test_a_master_that_could_not_start_anew_keeps_its_key(tmp_path: Path) -> None:
    before = files(tmp_path).load(1000.0)

    def check() -> None:
        raise SourceError("`port` is no number", "/etc/limpet/master.yaml", 3)

    writer = KeyWriter(files(tmp_path), lambda: 2000.0, check)
    try:
        writer.write(KeyWork("switch"))
        (refused,) = collected(writer, 1)
    finally:
        writer.close()
    assert "master.yaml:3" in refused.problem
    assert files(tmp_path).load(3000.0) == before


def test_a_disk_that_refuses_is_a_problem_and_not_the_end(tmp_path: Path) -> None:
    writer = KeyWriter(files(tmp_path), lambda: 2000.0, lambda: None)  # nothing was ever made
    try:
        for what in ("switch", "fresh", "raise"):
            writer.write(KeyWork(what))
        assert all(each.problem for each in collected(writer, 3))
    finally:
        writer.close()


def test_a_mistake_in_one_piece_is_its_answer_and_not_the_end_of_the_thread(tmp_path: Path) -> None:
    files(tmp_path).load(1000.0)
    mistakes = [IndexError("tuple index out of range")]

    def check() -> None:
        if mistakes:
            raise mistakes.pop()

    writer = KeyWriter(files(tmp_path), lambda: 2000.0, check)
    try:
        writer.write(KeyWork("switch"))
        writer.write(KeyWork("switch"))
        failed, done = collected(writer, 2)
    finally:
        writer.close()
    assert "IndexError" in failed.problem
    assert done == KeysWritten(KeyWork("switch"), None)
