"""The benchmarks measure what they say: small runs of them, and counts that have to add up.

No figure is judged here.
"""

from pathlib import Path

import pytest
from benchmarks import pings, run
from benchmarks.floor import Floor
from benchmarks.measuring import Figures, Options, in_turns, wire, with_ratios

MINIONS = 20


def test_the_floor_really_does_the_work() -> None:
    with Floor(MINIONS) as floor:
        before = wire(floor.port)
        assert before.connections == MINIONS
        assert floor.returns(10_000) > 0
        after = wire(floor.port)
        assert MINIONS * 10_000 < after.since(before) < MINIONS * 15_000
        assert floor.give_file(1_300_000) > 0
        assert wire(floor.port).since(after) > MINIONS * 1_300_000
        assert len(floor.ask_each(50)) == 50
        assert floor.ask_ahead(100, 7) > 0
        floor.start_beats(0.1, 0.55)
        beats = floor.beats_heard(0.55)
        assert 4 * MINIONS <= beats <= 6 * MINIONS
        assert floor.login() > 0, "a second time, with other processes"
        assert wire(floor.port).connections == MINIONS


def test_a_floor_that_dies_is_an_error_and_no_figure() -> None:
    with Floor(2) as floor:
        floor._processes[0].kill()
        floor._processes[0].join(10)
        with pytest.raises((EOFError, OSError)):
            floor.ping_all()


def test_sides_take_turns_and_are_compared_by_their_medians() -> None:
    order = []

    def side(name: str, took_s: float) -> float:
        order.append(name)
        return took_s

    figures = in_turns(2, {"floor": lambda: side("floor", 2.0), "limpet": lambda: side("l", 3.0)})
    assert order == ["floor", "l", "l", "floor"]
    assert figures["limpet/floor"] == 1.5
    assert set(with_ratios({"a": [1.0], "b": [3.0]}, over=("a",))) == {"a", "b", "b/a"}


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_subjects_give_all_their_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pings, "UNICASTS", 40)
    monkeypatch.setattr(pings, "JOBS_AHEAD", 64)
    figures: Figures = {}
    run.run(tmp_path, Options(minions=MINIONS, rounds=1), ["logins", "pings"], figures)
    assert {"cores", "kernel", "python", "fdatasync_s", "limpet"} <= set(figures["conditions"])

    killed = figures["master_killed"]
    assert killed["logins"] == killed["logins_expected"] == 2 * MINIONS
    assert killed["handshakes_each"] >= 1.0
    for of in (
        figures["login"]["s"],
        figures["ping_all"]["s"],
        figures["ping_one"]["s"],
        figures["jobs_per_s"]["in_a_row"],
        figures["jobs_per_s"]["at_once"],
    ):
        for name in ("floor", "limpet"):
            assert 0 < of[name]["min"] <= of[name]["median"] <= of[name]["max"]
        assert of["limpet/floor"] > 0
    assert figures["ping_one"]["limpet"]["p50"] <= figures["ping_one"]["limpet"]["p99"]
