"""Entering a scope: what is tried again, for how long, and what is not."""

import time

import pytest

from limpet.common.service.systemd import groups
from limpet.common.service.systemd.manager import UNIT_EXISTS, ManagerError
from limpet.minion.workers import scope
from limpet.minion.workers.scope import NoScope, Scope, unit_of
from support.minion.journal_records import jid

AWAY = ManagerError("cannot reach systemd", is_away=True)
SILENT = ManagerError("systemd did not answer within 0.1 s")
TAKEN = ManagerError("it exists", UNIT_EXISTS)
DENIED = ManagerError("no", "org.freedesktop.DBus.Error.AccessDenied")


def _join(
    monkeypatch: pytest.MonkeyPatch, *answers: ManagerError | None, limit_s: float = 1.0
) -> tuple[Scope, list[str]]:
    """Enter a scope of which systemd says this, the last of it for ever; gives what was asked."""
    asked: list[str] = []

    def start(manager: str, unit: str, properties: object, limit_s: float) -> None:
        asked.append(unit)
        answer = answers[min(len(asked), len(answers)) - 1]
        if answer is not None:
            raise answer

    monkeypatch.setattr(scope, "_start", start)
    made = Scope.join(
        jid(1),
        "test.echo",
        manager="/nowhere",
        directory="/spool",
        memory_bytes_max=0,
        stop_s=1.0,
        limit_s=limit_s,
    )
    return made, asked


def test_a_systemd_that_is_away_for_a_moment_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    made, asked = _join(monkeypatch, AWAY, AWAY, SILENT, None)

    assert made.unit == unit_of(jid(1))
    assert asked == [made.unit] * 4


def test_one_that_stays_away_is_waited_for_half_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = time.monotonic()
    with pytest.raises(NoScope, match="cannot reach systemd"):
        _join(monkeypatch, AWAY, limit_s=60.0)
    assert 0.3 < time.monotonic() - begun < 10


def test_one_that_says_nothing_is_given_up_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoScope, match="did not answer"):
        _join(monkeypatch, SILENT, limit_s=0.2)


def test_a_refusal_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = time.monotonic()
    with pytest.raises(NoScope, match="no"):
        _join(monkeypatch, DENIED, limit_s=60.0)
    assert time.monotonic() - begun < 10


def test_a_name_that_is_taken_is_made_another_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made, asked = _join(monkeypatch, TAKEN, None)
    assert asked == [unit_of(jid(1)), made.unit]
    assert made.unit != asked[0]
    with pytest.raises(NoScope, match="it exists"):
        _join(monkeypatch, TAKEN, limit_s=60.0)


def test_a_move_of_which_the_word_was_lost_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    unit = unit_of(jid(1))
    monkeypatch.setattr(groups, "read", lambda: f"0::/limpet.slice/limpet-jobs.slice/{unit}\n")
    made, asked = _join(monkeypatch, SILENT)

    assert asked == [made.unit] == [unit]


def test_names_of_scopes_are_lower_case() -> None:
    assert unit_of("01JD3Z0VQ9") == "limpet-job-01jd3z0vq9.scope"
    assert unit_of("01JD3Z0VQ9", 77) == "limpet-job-01jd3z0vq9-77.scope"
