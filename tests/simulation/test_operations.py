"""No message costs more where more minions are there: counted in steps, not in time.

A master with 320 minions and one with 3,200 are told the same, message by message, and what each
costs is counted: calls, lines, calls of C, and entries of their large tables gone over. Median of
some messages of a kind: a sweep that comes once in very many is no part of it. What stays unseen is
said in `support/counting/containers.py`.
"""

from typing import Any

import pytest

from limpet.common.clock import FOREVER, Instant
from limpet.master.core import effects as do
from limpet.master.files.body_cache import BodyCache
from limpet.master.sessions.minion import Minion
from limpet.master.sessions.registry import MinionRegistry
from support.counting.kinds import DIGEST, KINDS, Kind, answer_pillars, ask
from support.counting.master_rig import Rig
from support.counting.operations import Cost, cost_of, typical

SMALL, LARGE = 320, 3_200
TIMES = 7


def made(number: int) -> Rig:
    """Give a master with so many minions that have a job open, and half of them a pillar kept."""
    rig = Rig(number)
    rig.run("*")
    for minion in rig.minions[number // 2 :]:
        minion.do(ask(minion, 900, "pillar"))
        answer_pillars(rig)
    rig.t += 0.5
    return rig


@pytest.fixture(scope="module")
def rigs() -> tuple[Rig, Rig]:
    small, large = made(SMALL), made(LARGE)
    for rig, least in ((small, SMALL // 4), (large, LARGE // 4)):
        names = rig.instrument(least)
        assert {
            "MinionRegistry.by_key",
            "MinionRegistry.by_id",
            "KeyTable._rows",
            "BodyCache._bodies",
        } <= set(names)
        assert {"Timers._entries", "JobTable.lanes"} & set(names)
    return small, large


def test_the_tables_are_instrumented(rigs: tuple[Rig, Rig]) -> None:
    """What `made` puts into a master is counted wherever somebody goes over it."""
    for rig in rigs:
        registry = rig.core._registry
        for go_over in (
            lambda table=registry.by_key: sorted(table),
            lambda table=registry.by_key: list(table.values()),
            lambda table=registry.by_key: max(table.items())[0],
            lambda table=registry.by_id: dict(table.items()),
            lambda table=registry.by_id: "nobody" in list(table),
        ):
            assert cost_of(go_over).entries >= len(rig.minions) - 1
        assert cost_of(lambda table=registry.by_key: table.get("x")).entries == 0  # type: ignore[misc]
        assert cost_of(lambda table=registry.by_key: next(iter(table))).entries == 1  # type: ignore[misc]


def costs(rig: Rig, measure: Kind, number: int) -> Cost:
    found = []
    for n in range(TIMES):
        minion = rig.minions[number * TIMES + n]  # each is used once: it is as all the others
        if rig.core._registry.by_key[minion.key].session is None:
            minion.log_in()
        found.append(measure(rig, minion, number * 100 + n + 1))
        rig.t += 0.01
    return typical(found)


@pytest.mark.parametrize("name", KINDS)
def test_what_a_message_costs_does_not_grow_with_the_fleet(
    name: str, rigs: tuple[Rig, Rig]
) -> None:
    number = list(KINDS).index(name)
    small, large = (costs(rig, KINDS[name], number) for rig in rigs)
    print(f"\n{name:<32} {SMALL}: {tuple(small)}  {LARGE}: {tuple(large)}")
    assert not large.exceeds(small, share=0.1, besides=10), f"{small} became {large}"


# -- many jobs ------------------------------------------------------------------------------------

OF_ALL = ("accepted of a job of all", "returned of a job of all")
WITH_JOBS = [each for each in KINDS if each not in OF_ALL]
FEW_JOBS, MANY_JOBS, THEIR_MINIONS = 30, 1_500, 30


@pytest.fixture(scope="module")
def busy_rigs() -> tuple[Rig, Rig]:
    """Give two masters with equal fleets, and few and many open jobs of some others of these."""
    rigs = []
    for jobs in (FEW_JOBS, MANY_JOBS):
        rig = Rig(THEIR_MINIONS + TIMES * len(WITH_JOBS) + 10)
        for number in range(jobs):
            rig.run(rig.minions[-1 - number % THEIR_MINIONS].name)
        assert rig.core._job_table.open_jobs == jobs
        rig.t += 0.5
        if jobs == MANY_JOBS:
            assert {"JobTable.jobs", "Timers._entries"} <= set(rig.instrument(jobs // 2))
        rigs.append(rig)
    return rigs[0], rigs[1]


@pytest.mark.parametrize("name", WITH_JOBS)
def test_what_a_message_costs_does_not_grow_with_the_jobs_of_others(
    name: str, busy_rigs: tuple[Rig, Rig]
) -> None:
    number = WITH_JOBS.index(name)
    few, many = (costs(rig, KINDS[name], number) for rig in busy_rigs)
    print(f"\n{name:<32} {FEW_JOBS}: {tuple(few)}  {MANY_JOBS}: {tuple(many)}")
    assert not many.exceeds(few, share=0.1, besides=10), f"{few} became {many}"


# -- the test can fail ----------------------------------------------------------------------------


def _due_by_a_look_at_all(self: BodyCache) -> Instant:
    return min((kept.until for kept in self._bodies.values()), default=FOREVER)


def _fleet_by_a_count(self: MinionRegistry) -> int:
    return sum(1 for _ in self.by_key)


def _found_by_a_search(self: MinionRegistry, peer: do.Peer) -> Minion | None:
    key = self._by_peer.get(peer)
    return next((each for each in list(self.by_key.values()) if each.key == key), None)


SLOW: dict[str, tuple[type, str, Any, str]] = {
    "a look at all that is kept": (
        BodyCache,
        "next_deadline",
        property(_due_by_a_look_at_all),
        "beat",
    ),
    "a count of all": (MinionRegistry, "fleet", property(_fleet_by_a_count), "hello again"),
    "a search": (MinionRegistry, "of_peer", _found_by_a_search, "disconnect"),
}


@pytest.mark.parametrize("name", SLOW)
def test_work_that_grows_with_the_fleet_is_seen(
    name: str, rigs: tuple[Rig, Rig], monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, attribute, value, message = SLOW[name]
    monkeypatch.setattr(owner, attribute, value)
    measure = KINDS[message]
    for rig in rigs:
        for each in range(len(rig.minions) // 2):
            rig.core._pillar._cache.put(rig.now, f"pillar {each}", DIGEST, b"x")
    small, large = (costs(rig, measure, len(KINDS) + list(SLOW).index(name)) for rig in rigs)
    assert large.exceeds(small, share=0.1, besides=10)
