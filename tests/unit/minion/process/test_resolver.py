"""Names are looked up in threads that may hang, without holding anybody."""

import select
import socket
import threading

import pytest

from limpet.common.identifiers import Attempt
from limpet.minion.process.resolver import THREADS_MAX, Resolver

Answers = list[tuple[Attempt, tuple[str, ...]]]


def answers_of(resolver: Resolver) -> Answers:
    """Wait for answers as the loop does."""
    assert select.select([resolver], [], [], 20)[0], "no answer"
    return resolver.collect()


def test_a_name_gives_its_addresses() -> None:
    resolver = Resolver()
    resolver.ask(Attempt(3), "localhost")
    ((attempt, addresses),) = answers_of(resolver)
    assert attempt == 3
    assert set(addresses) <= {"127.0.0.1", "::1"}
    assert addresses
    resolver.close()


@pytest.mark.covers("A11")
@pytest.mark.parametrize("name", ["no-such-name.invalid", "x" * 300, "a..b", "\udcff"])
def test_a_name_that_cannot_be_resolved_gives_no_address(name: str) -> None:
    resolver = Resolver()
    resolver.ask(Attempt(1), name)
    assert answers_of(resolver) == [(Attempt(1), ())]
    resolver.close()


@pytest.mark.covers("B6")
def test_without_a_thread_to_spare_a_name_has_no_address_and_nothing_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    resolver = Resolver()
    with monkeypatch.context() as short:
        short.setattr(threading.Thread, "start", refuse)
        for number in range(THREADS_MAX + 1):
            resolver.ask(Attempt(number), "localhost")
            assert answers_of(resolver) == [(Attempt(number), ())]
    resolver.ask(Attempt(9), "localhost")
    assert answers_of(resolver)[0][1], "later it is asked as ever"
    resolver.close()


@pytest.mark.covers("B6")
def test_a_resolver_that_hangs_costs_a_bounded_number_of_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        gate.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    resolver = Resolver()
    for number in range(THREADS_MAX + 3):
        resolver.ask(Attempt(number), "name")
    assert answers_of(resolver) == [(Attempt(number), ()) for number in range(4, 7)]
    gate.set()
    got: Answers = []
    while len(got) < THREADS_MAX:
        got += answers_of(resolver)
    resolver.close()
