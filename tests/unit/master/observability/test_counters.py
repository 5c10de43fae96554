"""Events become counters."""

import random

from limpet.common.control.replies import Event, Status
from limpet.common.identifiers import MinionId, make_job_id
from limpet.common.observability.metrics import written
from limpet.master.core.effects import DeliveryEnded
from limpet.master.events.tags import job_event, minion_event
from limpet.master.observability.counters import REASONS_MAX, EventCounters
from support.pages.metrics_page import parse

WEB1 = MinionId("web1")
JID = make_job_id(1_700_000_000.5, random.Random(1))


def test_jobs_results_and_sessions_are_counted_by_what_they_are() -> None:
    counters = EventCounters()
    for event in (
        minion_event(WEB1, "ready", 1.0),
        minion_event(WEB1, "lost", 2.0, why="no echo"),
        minion_event(WEB1, "lost", 3.0, why="no echo"),
        minion_event(WEB1, "offline", 3.0),
        job_event(JID, "new", 1_700_000_000.5, function="test.ping", user="root"),
        job_event(JID, "ended", 1_700_000_900.0),
        Event("key/web1/accepted", 1.0, {}),
    ):
        counters.hear(event)
    ends: tuple[tuple[str, Status, float], ...] = (
        ("web1", "ok", 0.2),
        ("db1", "failed", 3.0),
        ("db2", "offline", 9.0),
    )
    for name, status, after_s in ends:
        made_s = 1_700_000_000.5
        ended = DeliveryEnded(JID, MinionId(name), status, "test.ping", made_s, made_s + after_s)
        counters.hear_end(ended)
    assert (counters.sessions, counters.jobs_new, counters.jobs_ended) == (1, 1, 1)
    assert counters.losses == {"no echo": 2}
    assert counters.returns == {"ok": 1, "failed": 1, "offline": 1}
    seconds = parse(written((counters.seconds.family("s", "It."),)))["s"]
    assert seconds.value("_count") == 2  # who was offline did not take that long to answer
    assert (seconds.value("_bucket", le="0.25"), seconds.value("_bucket", le="5")) == (1, 2)


def test_reasons_are_bounded() -> None:
    counters = EventCounters()
    for number in range(1000):
        counters.hear(minion_event(WEB1, "lost", 1.0, why=f"reason {number}"))
    assert len(counters.losses) == REASONS_MAX + 1
    assert counters.losses["other"] == 1000 - REASONS_MAX
    counters.hear(minion_event(WEB1, "lost", 1.0, why="reason 3"))
    assert counters.losses["reason 3"] == 2
