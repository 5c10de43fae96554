"""What a target costs, counted in what is looked at: not in time."""

import random
from typing import Any

import msgspec
import pytest

from limpet.common.identifiers import MinionId
from limpet.common.targeting.target import compile_target
from limpet.master.targeting.bounded_search import Search
from limpet.master.targeting.index import FleetIndex

FLEET = 4_000
GROUPS = {"fronts": "G@role:web and N@south", "south": "G@site:s or G@site:t"}


class CountingIndex(FleetIndex):
    """Counts how often the grains of one minion are looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.looked_at = 0

    def body(self, slot: int) -> bytes:
        self.looked_at += 1
        return super().body(slot)


@pytest.fixture(scope="module")
def index() -> CountingIndex:
    chance = random.Random(7)
    made = CountingIndex()
    for number in range(FLEET):
        grains: dict[str, Any] = {
            "os": chance.choice(["Debian", "Ubuntu", "Rocky"]),
            "role": "queue" if number % 400 == 0 else chance.choice(["web", "db"]),
            "site": chance.choice("nstw"),
            "host": f"host-{number}",
            "ipv4": ["127.0.0.1", f"10.0.{number >> 8}.{number & 255}"],
            "serial": number * 7919,
        }
        made.put(MinionId(f"m-{number:05d}"), msgspec.json.encode(grains))
    return made


def search(index: CountingIndex, text: str) -> Search:
    index.looked_at = 0
    found = Search(index, compile_target(text, "compound", GROUPS))
    assert found.advance(10**9)
    return found


def test_five_terms_with_a_selective_one_look_at_those_that_it_leaves(index: CountingIndex) -> None:
    found = search(
        index,
        "P@serial:.*[13579]$ and E@m-.*[05] and S@10.0.0.0/9 and not P@host:.*7$ and G@role:queue",
    )
    candidates = FLEET // 400
    assert len(found.meant) <= candidates
    assert index.looked_at <= 3 * candidates
    assert found.spent < FLEET // 2


@pytest.mark.parametrize(
    "text",
    [
        "G@os:Debian and G@site:n and not G@role:web or G@os:Rocky and G@role:d*",
        "N@fronts and not ( G@os:Ubuntu or P@os:Ro.* ) and G@site:[st]",
        "L@m-00001,m-00002 and E@m-.*1 and P@host:.*1 and S@10.0.0.0/8 and not G@host:host-2",
    ],
)
def test_grains_with_few_values_and_lists_cost_no_look_at_each(
    index: CountingIndex, text: str
) -> None:
    found = search(index, text)
    assert found.meant
    assert index.looked_at <= 4
    assert found.spent < FLEET // 4


def test_one_exact_value_among_thousands_looks_at_no_minion(index: CountingIndex) -> None:
    found = search(index, "G@host:HOST-77")
    assert found.meant == ["m-00077"]
    assert index.looked_at == 0
    assert found.spent < FLEET // 2


def test_all_cost_nothing_and_a_beginning_what_it_finds(index: CountingIndex) -> None:
    assert search(index, "*").spent < 5
    found = search(index, "m-0001*")
    assert len(found.meant) == 10
    assert found.spent < 10


def test_what_costs_more_is_counted_as_more(index: CountingIndex) -> None:
    cheap = search(index, "E@m-0.*").spent
    assert FLEET <= cheap <= 2 * FLEET
    assert search(index, "E@(m|-)*(.*9)+x").spent > 5 * cheap
