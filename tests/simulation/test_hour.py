"""An hour of churn leaves nothing behind: both sides hold at its end what they held at its start.

The whole size is run by `python tests/simulation/hour.py --minions 10000`. What may be remembered
for longer than the test lets pass is in `support/hour/memories.py`, with its reason and its bound.
"""

from collections.abc import Callable
from typing import Any

import pytest

from limpet.master.files.requests import FileRequests
from limpet.master.jobs.job_table import JobTable
from limpet.master.master_keys.announcements import Announcements
from limpet.master.pillar.requests import PillarRequests
from limpet.master.process.effect_runner import EffectRunner
from limpet.minion.jobs.output import OutputStreams
from limpet.minion.jobs.returns import Returns
from limpet.minion.sessions.link import Link
from limpet.minion.sessions.sync import SyncWalk
from support.hour.fleet import Fleet, Hour
from support.hour.memories import HEADLINES, MEMORIES
from support.simulator.breaking import nothing

MINIONS = 200


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_a_fleet_holds_after_an_hour_of_churn_is_what_it_held_before() -> None:
    fleet = Fleet(MINIONS)
    hour = fleet.play(3600.0)
    fleet.check_sums()
    assert hour.missing == []
    assert hour.differences == {}
    assert hour.stray == {}
    assert hour.gone == {}, "these still name minions whose keys were deleted"
    counts = {text: after for text, (_, after) in hour.headlines.items()}
    for text in ("registry entries", "sessions", "keys", "minions' cores", "minions' sessions"):
        assert counts[text] == MINIONS, "the census does not see what it should"
    for text in ("jobs in memory", "followers", "effects that wait for a commit", "lanes"):
        assert counts[text] == 0
    assert len(hour.happened) == 19, "something has never happened"
    assert min(hour.happened.values()) >= 2
    assert {"ok", "failed", "cancelled", "expired", "offline", "lost"} <= set(hour.ended)


# -- the test can fail ----------------------------------------------------------------------------

Broken = tuple[type, str, Any]


_returns_acknowledged = Returns.on_acknowledged


def _sent_again_for_ever(self: Returns, now: Any, jid: Any) -> None:  # noqa: ANN401
    _returns_acknowledged(self, now, jid)
    self._left = [*getattr(self, "_left", ()), jid]  # type: ignore[attr-defined]


_lost = Link.start
_links: list[object] = []


def _links_are_kept(self: Link, now: Any) -> None:  # noqa: ANN401
    _lost(self, now)
    _links.append(self)


LEAKS: dict[str, tuple[Broken, str]] = {
    "questions that stay open": (
        (FileRequests, "_close", nothing),
        "master.files.requests.FileRequests._open",
    ),
    "jobs that are not let go of": (
        (JobTable, "on_committed", nothing),
        "master.jobs.job_table.JobTable.jobs",
    ),
    "clients that hear events for ever": (
        (EffectRunner, "on_client_gone", nothing),
        "master.process.effect_runner.EffectRunner._subscribed",
    ),
    "keys that are still told of": (
        (Announcements, "forget", nothing),
        "master.master_keys.announcements.Announcements._kept",
    ),
    "pillar of keys that were deleted": (
        (PillarRequests, "forget", nothing),
        "master.pillar.cache.PillarCache._kept",
    ),
    "output of jobs that have ended": (
        (OutputStreams, "on_ended", nothing),
        "minion.jobs.output.OutputStreams._dropped",
    ),
    "returns in a list of their own": (
        (Returns, "on_acknowledged", _sent_again_for_ever),
        "minion.jobs.returns.Returns._left",
    ),
    "what SYNC told": (
        (SyncWalk, "on_answered", lambda self: not self.is_last),
        "common.messages.session.SyncEntry",
    ),
    "links that somebody else holds": (
        (Link, "start", _links_are_kept),
        "minion.sessions.link.Link",
    ),
}


def _told(hour: Hour) -> set[str]:
    return {*hour.differences, *hour.stray, *hour.gone}


@pytest.mark.parametrize("name", LEAKS)
def test_a_leak_that_is_made_on_purpose_is_reported_by_its_name(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (owner, attribute, value), where = LEAKS[name]
    change: Callable[..., None] = monkeypatch.setattr
    change(owner, attribute, value)
    _links.clear()
    try:
        hour = Fleet(25, seed=3).play(900.0)
    finally:
        _links.clear()
    assert where in _told(hour), f"not reported: only {sorted(_told(hour))}"


def test_every_memory_and_every_headline_is_there() -> None:
    hour = Fleet(10).play(600.0)
    seen = {*hour.before, *hour.after}
    for memory in MEMORIES:
        if memory.of != "master.enrolment.key_register.KeyRegister._left":
            assert any(name.startswith(memory.of) for name in seen), f"nothing is {memory.of}"
    known = {name for name in HEADLINES.values() if "." in name}
    assert known - seen <= {
        "master.jobs.delivery.Delivery",
        "master.files.requests._Asked",
        "master.pillar.requests._Asked",
    }
