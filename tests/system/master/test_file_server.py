"""Files of the master on their way to jobs, with real processes: faults, changes, escapes."""

import hashlib
import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from limpet.common.errors import HostError
from limpet.minion.control.files_client import SourcesOfMaster
from limpet.states.ports.served import Question
from support.hostile.proxy import Proxy
from support.master.fleet import Fleet
from support.master.pulling import Pulling, roots_of, socket_of

MIB = 1024 * 1024
SIZE = 100 * MIB
BIG = Question("file", "base", "big")


def write_big(path: Path, size: int = SIZE) -> str:
    """Write a file of random bytes; gives its digest."""
    whole = hashlib.sha256()
    with path.open("wb") as file:
        for _ in range(size // MIB):
            block = os.urandom(MIB)
            whole.update(block)
            file.write(block)
    return whole.hexdigest()


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """A fleet that is not started, whose master serves `tmp_path/states`."""
    with Fleet(tmp_path) as made:
        roots_of(made)
        yield made


def start(fleet: Fleet) -> None:
    fleet.start_master()
    fleet.add_minion("web1")
    fleet.wait_ready(1)


@pytest.mark.slow
@pytest.mark.covers("B-45")
def test_a_large_file_is_right_though_the_master_is_killed_in_mid_transfer(fleet: Fleet) -> None:
    digest = write_big(fleet.folder / "states" / "big")
    kills = 3
    fleet.start_master()
    with Proxy(fleet.port, fleet.enrol_port) as proxy:
        node = fleet.add_minion("web1", port=proxy.ports[0], enrol_port=proxy.ports[1])
        fleet.wait_ready(1)
        before = proxy.figures()["passed"]
        pulling = Pulling(socket_of(node), BIG, pause_s=0.005)
        pulling.start()
        for number in range(1, kills + 1):
            pulling.wait_at(number * SIZE // (kills + 2))
            assert fleet.answering() == {"web1"}, "a ping is answered while the file comes"
            assert not pulling.is_over
            fleet.master.kill()
            fleet.start_master()
            fleet.wait_answering(1, 30.0)
        pulling.finish()
        moved = proxy.figures()["passed"] - before
    assert pulling.problem is None, pulling.problem
    assert pulling.digest == digest
    # What is encrypted, and pings and beats, need a little more than the file itself.
    assert moved <= SIZE * 1.01 + (kills + 1) * MIB, f"{moved / MIB:.1f} MiB moved"
    assert node.log().count("the link to 127.0.0.1 is lost") <= kills


@pytest.mark.slow
def test_the_link_alone_is_killed_and_the_job_that_pulls_does_not_notice(fleet: Fleet) -> None:
    digest = write_big(fleet.folder / "states" / "big", 40 * MIB)
    start(fleet)
    node = fleet.minions["web1"]
    pulling = Pulling(socket_of(node), BIG, pause_s=0.01)
    pulling.start()
    for number in (1, 2):
        pulling.wait_at(number * 10 * MIB)
        assert not pulling.is_over
        node.kill()
        node.start()
    pulling.finish()
    assert pulling.problem is None, pulling.problem
    assert pulling.digest == digest


@pytest.mark.covers("B-44")
@pytest.mark.parametrize("how", ["in place", "replaced", "shortened", "removed"])
def test_a_file_that_changes_in_mid_transfer_is_not_mixed_of_two(fleet: Fleet, how: str) -> None:
    path = fleet.folder / "states" / "big"
    write_big(path, 20 * MIB)
    start(fleet)
    pulling = Pulling(socket_of(fleet.minions["web1"]), BIG, pause_s=0.01)
    pulling.start()
    pulling.wait_at(2 * MIB)
    if how == "in place":
        with path.open("r+b") as file:
            file.seek(15 * MIB)
            file.write(b"other")
    elif how == "replaced":
        write_big(path.with_name("new"), 20 * MIB)
        path.with_name("new").rename(path)
    elif how == "shortened":
        os.truncate(path, 10 * MIB)
    else:
        path.unlink()
    pulling.finish()
    assert pulling.was_changed, pulling.problem
    if how != "removed":
        again = Pulling(socket_of(fleet.minions["web1"]), BIG)
        again.start()
        again.finish()
        assert again.digest == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.covers("B-39", "B-41", "B-43")
def test_nothing_outside_the_roots_is_served_and_nothing_inside_blocks(fleet: Fleet) -> None:
    states = fleet.folder / "states"
    secret = fleet.folder / "secret"
    secret.write_text("canary")
    (states / "inside").write_text("good")
    (states / "link").symlink_to(secret)
    (states / "up").symlink_to("..")
    (states / "etc").symlink_to("/etc")
    (states / "device").symlink_to("/dev/zero")
    (states / "self").symlink_to("self")
    os.mkfifo(states / "fifo")
    (states / "folder").mkdir()
    start(fleet)
    sources = SourcesOfMaster(socket_of(fleet.minions["web1"]))
    told: list[str] = []
    try:
        for name in (
            *("../secret", "/etc/passwd", "..%2fsecret", "....//secret", "//inside", "a/./inside"),
            *("folder//x", "inside/", "..\\secret", "~/x", "inside\n", "x" * 900, "a/" * 70 + "b"),
            *("link", "up/secret", "etc/passwd", "device", "self", "fifo", "folder", "ins\0ide"),
        ):
            began = time.monotonic()
            try:
                served = sources.ask(Question("file", "base", name))
            except HostError as error:
                told.append(str(error))
            else:
                assert not served.is_found, name
                assert served.body is None, name
            assert time.monotonic() - began < 5.0, f"{name} blocks"
        assert told, "what is no file says so"
        assert str(fleet.folder) not in "".join(told), "places of the master are its own"
        for environment in ("..", "../..", "/", "base/..", ""):
            assert not sources.ask(Question("file", environment, "inside")).is_found
            assert not sources.ask(Question("listing", environment)).is_found
        assert sources.ask(Question("file", "base", "inside")).body == b"good"
        listing = sources.ask(Question("listing"))
        assert listing.body is not None
        rows = {tuple(row[:2]) for row in msgspec.msgpack.decode(listing.body)}
        kinds = {("inside", "file"), ("folder", "directory"), *((n, "link") for n in LINKS)}
        assert rows == kinds
    finally:
        sources.close()


LINKS = ("link", "up", "etc", "device", "self")


@pytest.mark.covers("B5")
def test_a_slow_line_keeps_its_beats_and_answers_pings_while_a_file_comes(fleet: Fleet) -> None:
    write_big(fleet.folder / "states" / "big", 4 * MIB)
    fleet.start_master()
    with Proxy(fleet.port, fleet.enrol_port) as proxy:
        node = fleet.add_minion("web1", port=proxy.ports[0], enrol_port=proxy.ports[1])
        fleet.wait_ready(1)
        proxy.throttle(400_000)
        pulling = Pulling(socket_of(node), BIG)
        pulling.start()
        pings = 0
        while not pulling.is_over:
            assert fleet.answering(6.0) == {"web1"}
            pings += 1
        assert pulling.problem is None, pulling.problem
        assert pings >= 2
        assert "is lost" not in node.log()


@pytest.mark.alone
def test_a_small_file_is_asked_for_within_milliseconds(fleet: Fleet) -> None:
    (fleet.folder / "states" / "small").write_text("x" * 2000)
    start(fleet)
    sources = SourcesOfMaster(socket_of(fleet.minions["web1"]))
    took = []
    for _ in range(300):
        began = time.perf_counter()
        assert sources.ask(Question("file", "base", "small")).size == 2000
        took.append(time.perf_counter() - began)
    sources.close()
    assert statistics.median(took) < 0.010, f"{statistics.median(took) * 1000:.1f} ms"


def test_a_listing_of_many_files_comes_in_pieces(fleet: Fleet) -> None:
    states = fleet.folder / "states"
    for number in range(12):
        folder = states / f"folder-{number:03}"
        folder.mkdir()
        for each in range(60):
            (folder / f"file-{each:03}-with-a-long-name-so-that-the-listing-grows").touch()
    start(fleet)
    sources = SourcesOfMaster(socket_of(fleet.minions["web1"]))
    served = sources.ask(Question("listing"))
    assert served.body is None
    body = b""
    while len(body) < served.size:
        body += sources.pull(Question("listing"), served, len(body))
    assert hashlib.sha256(body).hexdigest() == served.digest
    assert len(msgspec.msgpack.decode(body)) == 12 * 61
    assert sources.ask(Question("listing"), known=served.digest).digest == served.digest
    sources.close()
