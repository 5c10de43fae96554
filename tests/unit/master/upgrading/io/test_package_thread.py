"""The thread that keeps packages goes on, whatever a request makes of it."""

import select
from pathlib import Path

from limpet.common.control.packages import ListPackages, OfferPackage, PackageWanted
from limpet.common.control.replies import Refused, Reply
from limpet.master.core.effects import Client
from limpet.master.upgrading.io.package_thread import PackageThread


def answers(thread: PackageThread, number: int) -> dict[int, Reply]:
    """Wait for the answers to so many requests; gives those that have come within some seconds."""
    found: dict[int, Reply] = {}
    poll = select.poll()
    poll.register(thread.fileno(), select.POLLIN)
    while len(found) < number and poll.poll(5_000):
        found |= {each.client: each.reply for each in thread.collect()}
    return found


def test_a_mistake_in_one_answer_does_not_take_the_next_ones_away() -> None:
    thread = PackageThread(Path("a place that no host can have\0"))
    thread.ask(Client(1), ListPackages())
    thread.ask(Client(2), OfferPackage("0" * 64, 100))

    found = answers(thread, 2)

    assert set(found) == {1, 2}
    assert all(isinstance(each, Refused) and "null byte" in each.text for each in found.values())
    thread.close()


def test_requests_are_answered_in_turn(tmp_path: Path) -> None:
    thread = PackageThread(tmp_path)
    for number in range(3):
        thread.ask(Client(number), OfferPackage(f"{number}" * 64, 100))

    found = answers(thread, 3)

    assert list(found) == [0, 1, 2]
    assert all(isinstance(each, PackageWanted) and each.offset == 0 for each in found.values())
    thread.close()
