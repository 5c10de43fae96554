"""docs/metrics.md has each metric that is made, with its type and labels, and no other."""

import pytest

from limpet.common.control.replies import Event, MasterStatus
from limpet.common.identifiers import JobId, MinionId
from limpet.common.observability.metrics import Family, written
from limpet.master.core.effects import DeliveryEnded
from limpet.master.observability import metrics as master_metrics
from limpet.master.observability.counters import EventCounters
from limpet.minion.observability import metrics as minion_metrics
from support.pages.metrics_page import documented, parse, row_of


def of_master() -> list[Family]:
    counters = EventCounters()
    counters.hear(Event("minion/web1/lost", 1.0, {"why": "no echo"}))
    jid, web1 = JobId("01HF7YAT00000000000000000A"), MinionId("web1")
    counters.hear_end(DeliveryEnded(jid, web1, "ok", "test.ping", 1.0, 1.0))
    status = MasterStatus("1", 0.0, "5eed", 1, 2, 1, {"rate": 1}, {"fds": 3.0}, ())
    return master_metrics.families(status, counters, now_wall_s=1.0)


def of_minion() -> list[Family]:
    shown = minion_metrics.Shown(
        version="1",
        now_wall_s=1.0,
        state="ready",
        since_wall_s=1.0,
        figures={
            "failures_in_a_row": 0,
            "sockets_opened": 1,
            "bad_frames": 0,
            "frames_dropped": 0,
            "jobs_queued": 0,
            "jobs_running": 0,
            "returns_waiting": 0,
        },
        sessions=1,
        denials=0,
        losses={"beats_silent": 1},
        failures={"refused": 1},
        outcomes={"ok": 1},
        job_seconds=1.0,
        is_troubled=False,
        is_configuration_broken=False,
        lag_s=0.0,
        log_lines_dropped=0,
    )
    return minion_metrics.families(shown)


@pytest.mark.parametrize(
    "heading, families", [("The master", of_master()), ("The minion", of_minion())]
)
def test_the_page_has_each_metric_as_it_is_served(heading: str, families: list[Family]) -> None:
    served = {name: row_of(metric) for name, metric in parse(written(families)).items()}
    assert documented(heading) == served


def test_each_name_says_whose_it_is_and_in_which_unit() -> None:
    for side, families in (("master", of_master()), ("minion", of_minion())):
        for family in families:
            own = (f"limpet_{side}_", "limpet_build_", "process_")
            assert family.name.startswith(own)
            assert not family.name.endswith(("_s", "_ms", "_kb"))
