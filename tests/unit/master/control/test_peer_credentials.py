"""Who may give commands is known in time, or refused in time, whatever the host is short of."""

import threading
from collections.abc import Callable

import pytest

from limpet.common.clock import Instant, Moment
from limpet.master.control.peer_credentials import (
    LOOKUPS_MAX,
    REMEMBERED_S,
    Caller,
    Names,
    UserDirectory,
)

CALLER = Caller(4242, frozenset((77,)))


def at(boot_s: float) -> Moment:
    return Moment(Instant(boot_s), 1.0)


def directory(lookup: Callable[[int, str], Names]) -> tuple[UserDirectory, threading.Semaphore]:
    woken = threading.Semaphore(0)
    return UserDirectory(group="limpet", wake=woken.release, lookup=lookup), woken


@pytest.mark.covers("B-76")
def test_a_host_without_a_thread_to_spare_refuses_in_time_and_asks_again_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    users, woken = directory(lambda _uid, _group: Names("alice", 77))

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    now = 100.0
    with monkeypatch.context() as short:
        short.setattr(threading.Thread, "start", refuse)
        for _ in range(LOOKUPS_MAX + 1):
            assert users.judge(CALLER, at(now)) is None
            verdict = users.judge(CALLER, at(now + 3))
            assert verdict is not None
            assert (verdict.is_allowed, verdict.reason) == (False, "nss_timeout")
            now += 3 + REMEMBERED_S
    assert users.judge(CALLER, at(now)) is None
    assert woken.acquire(timeout=20)
    verdict = users.judge(CALLER, at(now + 1))
    assert verdict is not None
    assert (verdict.is_allowed, verdict.user) == (True, "alice")
