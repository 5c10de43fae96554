"""What a swarm keeps between runs."""

import stat
from itertools import count
from pathlib import Path

import pytest

from limpet.common.crypto.joinstring import JoinString
from limpet.common.errors import HostError, PeerError, UsageError
from limpet.minion.core.settings import HeldTrust
from limpet.minion.swarm.figures import Figures
from limpet.minion.swarm.keeping import FILE_NAME, Kept, SwarmFile, learn, take_members
from limpet.minion.swarm.minions.behaviour import Behaviour
from limpet.minion.swarm.minions.grains import USUAL
from limpet.minion.swarm.plan import Farewell, Frames, frame_of, order_decoder, report_decoder
from limpet.minion.swarm.running import Wanted, make_orders

SECRET = b"s" * 32
JOIN = JoinString(b"m" * 32, "abcdefghij", SECRET)
_numbers = count(1)


def pair() -> tuple[bytes, bytes]:
    number = next(_numbers)
    return number.to_bytes(32, "big"), (number + 1).to_bytes(32, "little")


def wanted(number: int, *, join: JoinString | None = JOIN, processes: int | None = None) -> Wanted:
    return Wanted(
        number=number, host="192.0.2.1", port=4506, enrol_port=4505, join=join, lasting_s=None,
        processes=processes, templates=USUAL, behaviour=Behaviour(), joins_a_second=300.0,
        directory=None, prefix="s-",
    )  # fmt: skip


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    file, kept = SwarmFile(tmp_path / "new"), Kept("aa" * 32)
    members = take_members(kept, "s-", 3, pair)
    members[1].notes["is_accepted"] = "1"
    members[1].trust = HeldTrust(7, "bb", "cc", ("dd",))
    file.save(kept)
    found = file.load()
    assert found == kept
    again = take_members(found, "s-", 4, pair)
    assert again[:3] == members
    assert [each.is_accepted for each in again] == [False, True, False, False]
    path = tmp_path / "new" / FILE_NAME
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_smaller_run_forgets_nobody() -> None:
    kept = Kept()
    take_members(kept, "s-", 5, pair)
    learn(kept, take_members(kept, "s-", 2, pair))
    assert len(kept.members) == 5


def test_without_a_directory_nothing_is_kept() -> None:
    file = SwarmFile(None)
    file.save(Kept("aa" * 32))
    assert file.load() == Kept()


@pytest.mark.parametrize("data", [b"", b"rubbish", b"\x81\xa6format\x09"])
def test_a_damaged_or_newer_file_is_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(data)
    with pytest.raises(HostError, match=FILE_NAME):
        SwarmFile(tmp_path).load()


def test_the_secret_of_the_token_is_not_kept(tmp_path: Path) -> None:
    kept = Kept()
    make_orders(wanted(2), kept, take_members(kept, "s-", 2, pair))
    SwarmFile(tmp_path).save(kept)
    assert SECRET not in (tmp_path / FILE_NAME).read_bytes()
    assert kept.server_key == JOIN.master_key.hex()


def test_minions_are_shared_out_among_processes() -> None:
    kept = Kept()
    members = take_members(kept, "s-", 10, pair)
    orders = make_orders(wanted(10, processes=3), kept, members)
    assert sorted(len(each.members) for each in orders) == [3, 3, 4]
    assert {m.minion_id for each in orders for m in each.members} == set(kept.members)
    assert sum(each.joins_a_second for each in orders) == pytest.approx(300.0)
    assert len(make_orders(wanted(2, processes=9), kept, members[:2])) == 2


def test_a_later_run_needs_no_join_string() -> None:
    kept = Kept()
    members = take_members(kept, "s-", 2, pair)
    with pytest.raises(UsageError, match="--join"):
        make_orders(wanted(2, join=None), kept, members)
    make_orders(wanted(2), kept, members)
    (order,) = make_orders(wanted(2, join=None), kept, members)
    assert (order.server_key, order.join_token_id) == (JOIN.master_key.hex(), "")


def test_new_minions_learn_of_a_rotated_key_from_those_that_know_it() -> None:
    kept = Kept("aa" * 32)
    members = take_members(kept, "s-", 2, pair)
    members[1].server_key = "bb" * 32
    (order,) = make_orders(wanted(2, join=None), kept, members)
    assert order.server_key == "bb" * 32


def test_another_master_is_not_taken_for_the_old_one() -> None:
    kept = Kept("aa" * 32)
    members = take_members(kept, "s-", 1, pair)
    members[0].server_key, members[0].trust = "bb" * 32, HeldTrust(1, "a", "b", ())
    (order,) = make_orders(wanted(1), kept, members)
    assert (order.members[0].server_key, order.members[0].trust) == ("", None)


def test_frames_come_through_in_any_pieces() -> None:
    kept = Kept()
    (order,) = make_orders(wanted(3), kept, take_members(kept, "s-", 3, pair))
    data = frame_of(order) + frame_of(Farewell(Figures(beats=4), order.members))
    frames = Frames()
    bodies = [body for at in range(len(data)) for body in frames.feed(data[at : at + 1])]
    assert order_decoder.decode(bodies[0]) == order
    assert report_decoder.decode(bodies[1]) == Farewell(Figures(beats=4), order.members)
    assert len(bodies) == 2


def test_a_frame_without_end_is_refused() -> None:
    with pytest.raises(PeerError):
        Frames().feed(b"\xff\xff\xff\xff")


def test_no_secret_stands_in_a_traceback() -> None:
    kept = Kept()
    (order,) = make_orders(wanted(1), kept, take_members(kept, "s-", 1, pair))
    assert "ssss" not in repr(order)
