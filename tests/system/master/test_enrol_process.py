"""The enrolment process on its own: new minions on one side, a test as its master on the other."""

import contextlib
import os
import resource
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from limpet.common.crypto.keys import encode_base32
from limpet.common.messages.enrolment import EnrolAnswer
from limpet.common.observability.logs import Level
from limpet.common.transport.sockets import Context, Poller
from limpet.common.wire.codec import encode
from support.fakes.hand_minion import HandMinion, wait_ready
from support.hostile.hostile import HostilePeer, plug_from
from support.hostile.proxy import RESET
from support.master.enrolment_line import EnrolmentMaster, Visit

CONNECTIONS = 1_000
"""So many the port holds at once."""
DESCRIPTORS_OF_UNIT = 2_048
"""`LimitNOFILE=` of its service."""


@pytest.fixture
def master(tmp_path: Path) -> Iterator[EnrolmentMaster]:
    made = EnrolmentMaster(tmp_path / "root")
    made.turn_until(lambda: made.link.is_open)
    yield made
    made.link.close()


@pytest.fixture
def new_minions(master: EnrolmentMaster, tmp_path: Path) -> Iterator[Callable[[], HandMinion]]:
    context = Context()
    yield lambda: HandMinion(context, tmp_path / "root")
    assert context.close()


def test_a_request_comes_with_the_proven_key_and_the_answer_goes_back(
    master: EnrolmentMaster, new_minions: Callable[[], HandMinion]
) -> None:
    minion = new_minions()
    visit = Visit(master, minion)
    visit.ask()
    assert visit.answer() is not None
    visit.dealer.close()
    (asked,) = master.asked
    assert (asked.key, asked.address) == (minion.key, "127.0.0.1")
    assert asked.request.minion_id == "web1"


def test_another_log_level_changes_nothing_else(
    master: EnrolmentMaster, new_minions: Callable[[], HandMinion]
) -> None:
    pid, port = master.link.pid, master.link.port
    master.link.set_level(Level.CRITICAL)
    visit = Visit(master, new_minions())
    visit.ask()
    assert visit.answer() is not None
    visit.dealer.close()
    assert (master.link.pid, master.link.port, master.link.starts) == (pid, port, 1)
    os.kill(pid, signal.SIGKILL)
    master.turn_until(lambda: master.link.starts == 2 and master.link.is_open)
    assert master.link.port == port


def test_the_secret_is_neither_in_the_arguments_nor_in_the_environment(
    master: EnrolmentMaster,
) -> None:
    place = Path(f"/proc/{master.link.pid}")
    shown = (place / "cmdline").read_bytes() + (place / "environ").read_bytes()
    for form in (
        master.secret,
        master.secret.hex().encode(),
        encode_base32(master.secret).encode(),
    ):
        assert form not in shown
    opened = [os.readlink(entry) for entry in (place / "fd").iterdir()]
    assert not [name for name in opened if "master.db" in name or "secret" in name]


@pytest.mark.covers("H10")
def test_whatever_is_no_enrolment_request_is_counted_and_never_reaches_the_master(
    master: EnrolmentMaster, new_minions: Callable[[], HandMinion]
) -> None:
    minion = new_minions()
    for frame in (b"\x91\xa3run", b"\xc1", b"\x00", encode(minion.enrol_request())[:-1]):
        visit = Visit(master, minion)
        visit.ask(frame)
        visit.master.turn_for(0.1)
        visit.dealer.close()
    visit = Visit(master, minion)
    visit.ask()
    assert visit.answer() is not None
    visit.dealer.close()
    master.turn_until(lambda: sum(_bad(master).values()) == 4)
    assert len(master.asked) == 1


def _bad(master: EnrolmentMaster) -> dict[str, int]:
    reasons = ("bad_encoding", "bad_schema", "bad_type")
    return {name: number for name, number in master.link.rejected.items() if name in reasons}


def test_the_fourth_message_of_a_connection_ends_it(
    master: EnrolmentMaster, new_minions: Callable[[], HandMinion]
) -> None:
    visit = Visit(master, new_minions())
    for _ in range(3):
        visit.ask()
        assert visit.answer() is not None
    visit.ask()
    assert visit.is_cut(10.0)
    visit.dealer.close()
    master.turn_until(lambda: master.link.rejected.get("enrol_messages") == 1)


def test_a_frame_over_a_kilobyte_ends_the_connection(
    master: EnrolmentMaster, new_minions: Callable[[], HandMinion]
) -> None:
    minion = new_minions()
    dealer = minion.dial(master.link.port, is_enrolling=True)
    dealer._send_bytes_max = None
    assert wait_ready(dealer, 10.0)
    visit = Visit.__new__(Visit)
    visit.master, visit.minion, visit.dealer, visit.is_over = master, minion, dealer, False
    visit.ask(bytes(2000))
    assert visit.is_cut(10.0)
    dealer.close()
    assert master.asked == []


@pytest.mark.covers("H11", "B-82")
def test_one_key_that_asks_without_end_is_dropped_after_its_share(
    master: EnrolmentMaster, new_minions: Callable[[], HandMinion]
) -> None:
    minion = new_minions()
    for _ in range(10):
        visit = Visit(master, minion)
        visit.ask()
        visit.answer(0.3)
        visit.dealer.close()
    assert 3 <= len(master.asked) <= 8
    master.turn_until(lambda: master.link.rejected.get("enrol_rate", 0) >= 2)
    other = Visit(master, new_minions())
    other.ask()
    assert other.answer() is not None
    other.dealer.close()


@pytest.mark.covers("C4")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_process_that_dies_is_back_on_the_same_port_within_two_seconds(
    master: EnrolmentMaster, new_minions: Callable[[], HandMinion], number: signal.Signals
) -> None:
    port, pid = master.link.port, master.link.pid
    os.kill(pid, number)
    master.turn_until(lambda: not master.link.is_open)
    assert master.turn_until(lambda: master.link.is_open) < 10.0
    assert (master.link.port, master.link.starts) == (port, 2)
    assert master.link.pid != pid
    visit = Visit(master, new_minions())
    visit.ask()
    assert visit.answer() is not None
    visit.dealer.close()


@pytest.mark.covers("C4", "C5")
def test_a_process_that_hangs_is_replaced(tmp_path: Path) -> None:
    master = EnrolmentMaster(tmp_path / "root", silent_s_max=4.0)
    try:
        master.turn_until(lambda: master.link.is_open)
        master.turn_for(5.0)
        assert master.link.starts == 1, "a process that lives was replaced"
        stopped = master.link.pid
        os.kill(stopped, signal.SIGSTOP)
        master.turn_until(lambda: master.link.starts == 2 and master.link.is_open, within_s=30.0)
        assert not Path(f"/proc/{stopped}").exists()
    finally:
        master.link.close()


def test_an_answer_to_a_question_of_a_dead_process_is_dropped(
    master: EnrolmentMaster, new_minions: Callable[[], HandMinion]
) -> None:
    master.is_answering = False
    visit = Visit(master, new_minions())
    visit.ask()
    master.turn_until(lambda: bool(master.asked))
    visit.dealer.close()
    os.kill(master.link.pid, signal.SIGKILL)
    master.turn_until(lambda: master.link.starts == 2 and master.link.is_open)
    master.link.answer(master.asked[0].handle, EnrolAnswer(bytes(16), "accepted", 0, ""))
    master.is_answering = True
    visit = Visit(master, new_minions())
    visit.ask()
    frame = visit.answer()
    visit.dealer.close()
    assert frame is not None
    assert b"accepted" not in frame


@pytest.mark.covers("C3")
def test_it_ends_with_the_line_even_if_it_hangs_only_a_moment_later(
    master: EnrolmentMaster,
) -> None:
    pid = master.link.pid
    line = master.link.line
    assert line is not None
    line.close()
    end = time.monotonic() + 10.0
    while _state(pid) not in ("Z", ""):
        assert time.monotonic() < end, "it lives on without its master"
        time.sleep(0.01)


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""


@pytest.mark.covers("C12")
def test_a_port_that_is_held_is_tried_again_and_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = int(holder.getsockname()[1])
        held = EnrolmentMaster(tmp_path / "root", port=port)
        held.turn_until(lambda: bool(held.link.problem))
        assert f"the port {port}" in held.link.problem
    held.turn_until(lambda: held.link.is_open)
    assert held.link.problem == ""
    held.link.close()


@pytest.mark.covers("C7")
def test_silent_and_garbage_connections_are_ended_and_others_are_served(
    master: EnrolmentMaster, new_minions: Callable[[], HandMinion]
) -> None:
    peers = [HostilePeer(master.link.port) for _ in range(20)]
    for number, peer in enumerate(peers):
        if number % 2:
            peer.send(os.urandom(500))
    visit = Visit(master, new_minions())
    visit.ask()
    assert visit.answer() is not None
    visit.dealer.close()
    for peer in peers:
        assert peer.wait_for_end(20.0) is not None
        peer.close()


@pytest.mark.covers("C7")
def test_one_host_that_fills_the_port_keeps_no_other_out_and_descriptors_suffice(
    master: EnrolmentMaster, new_minions: Callable[[], HandMinion]
) -> None:
    pid = master.link.pid
    unit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (DESCRIPTORS_OF_UNIT, unit[1]))
    most = 0
    with contextlib.ExitStack() as held:
        for count in range(1, 2 * CONNECTIONS + 1):
            plug = held.enter_context(plug_from("127.0.0.2", master.link.port))
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            if count % 50 == 0:
                most = max(most, len(os.listdir(f"/proc/{pid}/fd")))
                master.turn()
        master.turn_until(
            lambda: master.link.rejected.get("connection_limit", 0) >= CONNECTIONS // 2
        )

        # The others still hold all the room that there is.
        visit = Visit(master, new_minions())
        visit.ask()
        assert visit.answer() is not None
        visit.dealer.close()
    assert CONNECTIONS <= most < DESCRIPTORS_OF_UNIT


def test_the_line_can_be_polled(
    master: EnrolmentMaster, new_minions: Callable[[], HandMinion]
) -> None:
    poller = Poller()
    line = master.link.line
    assert line is not None
    poller.register(line)
    asked = len(master.asked)
    visit = Visit(master, new_minions())
    visit.ask()
    for _ in range(20):
        assert line in poller.wait(10.0)
        master.turn()
        if len(master.asked) > asked:
            break
    assert len(master.asked) == asked + 1
    visit.dealer.close()
