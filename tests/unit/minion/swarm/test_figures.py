"""What a swarm counts, and how it is shown."""

import json

from limpet.common.clock import Instant
from limpet.minion.swarm.figures import (
    COUNTERS,
    GAUGES,
    INSTANTS,
    REASONS_MAX,
    Figures,
    copied,
    merged,
)
from limpet.minion.swarm.summary import Recent, document, live_lines, summary_lines


def some(factor: int) -> Figures:
    figures = Figures()
    for place, name in enumerate((*GAUGES, *COUNTERS), 1):
        setattr(figures, name, place * factor)
    figures.count_failure("refused")
    figures.beat_s.add(0.01 * factor)
    figures.login_s.add(1.0 * factor)
    return figures


def test_processes_add_up() -> None:
    whole = merged([some(1), some(2), Figures()])
    for place, name in enumerate((*GAUGES, *COUNTERS), 1):
        assert getattr(whole, name) == 3 * place, name
    assert whole.failures == {"refused": 2}
    assert (whole.beat_s.total, whole.beat_s.largest_s) == (2, 0.02)


def test_every_number_is_merged() -> None:
    fields = {name: getattr(Figures(), name) for name in Figures.__struct_fields__}
    assert {name for name, value in fields.items() if value == 0} == {
        *GAUGES,
        *COUNTERS,
        *INSTANTS,
    }


def test_all_are_ready_when_the_last_process_has_all_its_own() -> None:
    first = Figures(began_at=10.0, all_ready_at=12.0)
    last = Figures(began_at=9.5, all_ready_at=14.5)
    assert merged([first, last]).all_ready_s == 5.0
    assert merged([first, Figures(began_at=9.0)]).all_ready_s is None
    assert merged([first, Figures()]).all_ready_s is None
    assert merged([]).all_ready_s is None


def test_reasons_are_bounded() -> None:
    figures = Figures()
    for number in range(500):
        figures.count_failure(f"reason {number} " + "x" * 500)
    assert len(figures.failures) == REASONS_MAX + 1
    assert figures.failures["other"] == 500 - REASONS_MAX
    assert max(map(len, figures.failures)) <= 80


def test_a_copy_does_not_change() -> None:
    figures = some(1)
    copy = copied(figures)
    figures.beats += 1
    figures.beat_s.add(1.0)
    figures.count_failure("refused")
    assert copy == some(1)


def test_two_swarms_share_nothing() -> None:
    Figures().beat_s.add(1.0)
    assert Figures().beat_s.counts == {}


def test_rates_are_those_of_the_last_seconds() -> None:
    recent = Recent()
    figures = Figures(minions=10, ready=10)
    assert recent.rate("beats") == 0.0
    for second in range(60):
        figures.beats = second * second
        recent.add(Instant(float(second)), copied(figures))
    assert 59 * 2 - 8 < recent.rate("beats") < 59 * 2
    assert len(recent._samples) < 10


def test_the_live_line_and_the_summary_tell_the_figures() -> None:
    figures = Figures(minions=10, connected=9, ready=8, jobs_ok=5, jobs_failed=2)
    figures.count_failure("refused\x1b[0m")
    line, _, failures = live_lines(figures, Recent())
    assert "10 minions, 9 connected, 8 ready" in line
    assert "\x1b" not in failures
    lines = summary_lines(figures, seconds=61.0, problems=["a process\x1b died"])
    assert lines[0] == "8 of 10 minions were ready at the end, after 1 min 1 s"
    assert "5 ok, 2 failed" in "\n".join(lines)
    assert "\x1b" not in "\n".join(lines)


def test_the_document_has_every_figure_and_is_json() -> None:
    data = json.loads(json.dumps(document(some(1), seconds=2.5, processes=2, problems=[])))
    assert set(data) == {
        *GAUGES, *COUNTERS, "seconds", "processes", "all_ready_s", "failures", "warnings",
        "beat_s", "login_s", "file_s", "pillar_s", "turn_s", "problems",
    }  # fmt: skip
    assert data["beat_s"]["count"] == 1
    assert set(data["beat_s"]) == {"p50", "p90", "p99", "max", "count"}
