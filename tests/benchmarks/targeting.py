"""Whom a target means, by the index and by judging each minion; and how long the loop is held up.

    python tests/benchmarks/targeting.py --minions 10000 --rounds 5

All in one process, with made-up minions that are READY: no sockets. `terms` compares the two ways
for expressions of five terms and single ones; `turns` are those of the loop while a costly target
is searched for; `requests` are what one request of a client takes in the loop, encoding included.
"""

import gc
import sys
import tracemalloc
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))

import msgspec
from benchmarks.measuring import Figures, Options, Place, in_turns, main, spread, timed

from limpet.common.control.replies import MasterStatus, Reply
from limpet.common.control.requests import (
    AskStatus,
    ListKeys,
    ListMinions,
    Request,
    TargetKind,
)
from limpet.common.identifiers import MinionId
from limpet.common.observability.metrics import written
from limpet.common.targeting.target import compile_target
from limpet.master.core import effects as do
from limpet.master.observability.counters import EventCounters
from limpet.master.observability.metrics import families
from limpet.master.store.operations import KeyRow
from limpet.master.targeting.bounded_search import Search
from limpet.master.targeting.grains import LazyGrains
from limpet.master.targeting.index import FleetIndex
from limpet.minion.swarm.minions.grains import USUAL, grains_of
from support.master.master_bench import WALL_S, Bench, MinionOnBench, key_of
from support.master.store_model import StoreModel

GROUPS: Final = {"web": "G@roles:web and N@ams", "ams": "G@site:ams or E@swarm-00.*"}
TARGETS: Final[tuple[tuple[str, TargetKind, str], ...]] = (
    (
        "five terms, usual",
        "compound",
        "G@os:Debian and G@roles:web and not S@10.0.0.0/20 and "
        "( E@swarm-0[0-4].* or L@swarm-00099 ) and P@osrelease:1[23]",
    ),
    (
        "five terms, node groups",
        "compound",
        "N@web and not G@num_cpus:16 and ( swarm-0[1-3]* or G@virtual:kvm ) and S@10.0.0.0/16",
    ),
    (
        "five terms, each value its own, and",
        "compound",
        "P@fqdn:.*5.* and G@host:*7* and E@.*9.* and S@10.0.0.0/16 and not G@mem_total:1*",
    ),
    (
        "five terms, each value its own, or",
        "compound",
        "P@fqdn:.*5.* or G@host:*7* or E@.*9.*9.* or S@10.0.0.0/24 or G@mem_total:1*",
    ),
    ("all", "glob", "*"),
    ("ids from a beginning on", "glob", "swarm-00*"),
    ("ids by a regular expression", "pcre", ".*7"),
    ("a grain of few values", "grain", "os:Debian"),
    ("a grain of each its own", "grain", "host:swarm-00077"),
)
COSTLY: Final = "P@fqdn:(a|s|w)*(.*9)+x or *:*:x or E@(a|s|w)*(.*9)+x"


def measure(_place: Place, options: Options) -> Figures:
    """Measure."""
    bodies = {
        name: grains_of(USUAL, name, number, 0).body
        for number in range(1, options.minions + 1)
        for name in (MinionId(f"swarm-{number:05d}"),)
    }
    return {
        "targeting": {
            "minions": options.minions,
            "index": _index_figures(bodies, options.rounds),
            "terms": _terms(bodies, options.rounds),
            **_loop(bodies, options.rounds),
        }
    }


def _index_figures(bodies: dict[MinionId, bytes], rounds: int) -> Figures:
    built = spread([timed(lambda: _index_of(bodies)) for _ in range(rounds)])
    tracemalloc.start()
    index = _index_of(bodies)
    gc.collect()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return {
        "build_s": built,
        "bytes_a_minion": round(held / len(index)),
        "grains_bytes": round(sum(map(len, bodies.values())) / len(index)),
    }


def _index_of(bodies: dict[MinionId, bytes]) -> FleetIndex:
    index = FleetIndex()
    for name, body in bodies.items():
        index.put(name, body)
    return index


def _terms(bodies: dict[MinionId, bytes], rounds: int) -> Figures:
    index = _index_of(bodies)
    found: Figures = {}
    for name, kind, text in TARGETS:

        def by_index(text: str = text, kind: TargetKind = kind) -> Search:
            search = Search(index, compile_target(text, kind, GROUPS))
            assert search.advance(10**9)
            return search

        def plain(text: str = text, kind: TargetKind = kind) -> list[MinionId]:
            means = compile_target(text, kind, GROUPS).matches
            return [each for each in sorted(bodies) if means(each, LazyGrains(each, bodies[each]))]

        search = by_index()
        assert search.meant == plain()
        found[name] = {
            "target": text,
            "meant": len(search.meant),
            "steps": search.spent,
            **in_turns(
                rounds,
                {"index": lambda: timed(by_index), "plain": lambda: timed(plain)},
                over=("plain",),
            ),
        }
    return found


def _loop(bodies: dict[MinionId, bytes], rounds: int) -> Figures:
    bench = _bench_of(bodies)
    core, encode = bench.core, msgspec.msgpack.Encoder().encode
    client = 0

    def ask(request: Request) -> list[Reply]:
        nonlocal client
        client += 1
        effects = core.on_request(bench.now, do.Client(client), 0, "root", request)
        replies = [each.reply for each in effects if isinstance(each, do.Answer)]
        for reply in replies:
            encode(reply)
        return replies

    def metrics() -> None:
        status = core.status(bench.now)
        assert isinstance(status, MasterStatus)
        written(families(status, EventCounters(), now_wall_s=bench.now.wall))

    requests: dict[str, float | Figures] = {}
    for name, request in (
        ("limpet minions", ListMinions()),
        ("limpet keys list", ListKeys()),
        ("limpet status", AskStatus()),
    ):
        requests[name] = spread([timed(lambda r=request: ask(r)) for _ in range(rounds)])  # type: ignore[misc]
    requests["metrics page"] = spread([timed(metrics) for _ in range(rounds)])
    turns: list[float] = []
    turns.append(timed(lambda: ask(ListMinions(COSTLY, "compound"))))
    while core._requests.context.targets._searching:
        bench.t += max(0.0, core.next_deadline - bench.now.boot)
        turns.append(timed(lambda: core.on_deadline(bench.now)))
    return {
        "requests": requests,
        "turns": {"target": COSTLY, "number": len(turns), "sum_s": round(sum(turns), 4)}
        | spread(turns),
    }


def _bench_of(bodies: dict[MinionId, bytes]) -> Bench:
    store = StoreModel()
    for name, body in bodies.items():
        key = key_of(name)
        store.keys[key] = KeyRow(
            key, name, "accepted", WALL_S, "10.0.0.1", "", WALL_S, grains_digest="a", grains=body
        )
    bench = Bench(store=store)
    for name in bodies:
        MinionOnBench(bench, name).connect()
    return bench


if __name__ == "__main__":
    main(__doc__, measure)
