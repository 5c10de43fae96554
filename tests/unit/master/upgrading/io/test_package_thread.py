"""The thread that keeps packages goes on, whatever a request makes of it."""

import select
from pathlib import Path

from limpet.common.control.packages import ListPackages, OfferPackage, PackageWanted
from limpet.common.control.replies import Refused, Reply
from limpet.master.core.effects import Client
from limpet.master.upgrading.io.package_thread import PackageThread


def answers(desk: PackageThread, number: int) -> dict[int, Reply]:
    """Wait for the answers to so many requests; gives those that have come within some seconds."""
    found: dict[int, Reply] = {}
    poll = select.poll()
    poll.register(desk.fileno(), select.POLLIN)
    while len(found) < number and poll.poll(5_000):
        found |= {each.client: each.reply for each in desk.collect()}
    return found


def test_a_mistake_in_one_answer_does_not_take_the_next_ones_away() -> None:
    desk = PackageThread(Path("a place that no host can have\0"))
    desk.ask(Client(1), ListPackages())
    desk.ask(Client(2), OfferPackage("0" * 64, 100))

    found = answers(desk, 2)

    assert set(found) == {1, 2}
    assert all(isinstance(each, Refused) and "null byte" in each.text for each in found.values())
    desk.close()


def test_requests_are_answered_in_turn(tmp_path: Path) -> None:
    desk = PackageThread(tmp_path)
    for number in range(3):
        desk.ask(Client(number), OfferPackage(f"{number}" * 64, 100))

    found = answers(desk, 3)

    assert list(found) == [0, 1, 2]
    assert all(isinstance(each, PackageWanted) and each.offset == 0 for each in found.values())
    desk.close()
