"""The place where libzmq asks for keys is another one now and then: nobody may notice."""

import os
from collections.abc import Iterator

import pytest

from limpet.common.transport.authenticator import OLD_S
from limpet.common.transport.sockets import Authenticator, Context, Poller, make_keypair
from support.hostile.links import Listener, caller, connected, listener

RENEW_FROM = 3
LOOK_S = 1.0


@pytest.fixture
def context() -> Iterator[Context]:
    """The context of the minions of a test."""
    made = Context()
    yield made
    assert made.close()


def is_ready(poller: Poller, authenticator: Authenticator) -> bool:
    return authenticator in poller.wait(5.0)


def hears(listening: Listener, frame: bytes) -> bool:
    return listening.turn_until(lambda: frame in [a.frame for a in listening.arrivals])


@pytest.mark.covers("A20", "A21")
def test_who_was_let_in_stays_and_who_comes_later_is_judged_as_before(context: Context) -> None:
    unknown = make_keypair()
    with listener(lambda key, address: key != unknown[0], renew_from=RENEW_FROM) as listening:
        authenticator = listening.authenticator
        with connected(listening, context) as first, connected(listening, context) as second:
            assert not authenticator.tidy(0.0), "two are too few"
            with connected(listening, context) as third:
                assert not authenticator.tidy(LOOK_S), "somebody has asked since the last look"
                before = len(os.listdir("/proc/self/fd"))
                assert authenticator.tidy(2 * LOOK_S)
                assert len(authenticator.handles()) == 2
                with connected(listening, context) as fourth:
                    late = caller(context, listening.port, listening.public_key, keypair=unknown)
                    assert listening.turn_until(lambda: late.has("denied"))
                    late.socket.close()
                    until = 2 * LOOK_S + OLD_S
                    assert not authenticator.tidy(until - LOOK_S)
                    assert authenticator.tidy(until), "the old place is polled no longer"
                    assert len(authenticator.handles()) == 1
                    assert not authenticator.tidy(until + LOOK_S), "it is closed"
                    assert not authenticator.tidy(until + 3 * LOOK_S), "its memory is given back"
                    for number, minion in enumerate((first, second, third, fourth)):
                        frame = b"still there %d" % number
                        assert minion.socket.send(frame)
                        assert hears(listening, frame)
                    for arrival in listening.arrivals:
                        listening.router.send(arrival.peer, b"so am I")
                    for minion in (first, second, third, fourth):
                        assert minion.socket.receive(5.0, "an answer") == b"so am I"
        assert listening.turn_until(lambda: len(os.listdir("/proc/self/fd")) < before)


@pytest.mark.covers("A20")
def test_a_question_that_waits_at_the_old_place_is_answered(context: Context) -> None:
    with listener(renew_from=RENEW_FROM) as listening:
        authenticator = listening.authenticator
        for _ in range(RENEW_FROM):
            with connected(listening, context):
                pass
        assert not authenticator.tidy(0.0)
        poller = Poller()
        poller.register(authenticator)
        waiting = caller(context, listening.port, listening.public_key)
        assert is_ready(poller, authenticator), "it has asked, and nobody looked"
        assert authenticator.tidy(LOOK_S)
        poller.register(authenticator)
        assert authenticator in poller.wait(0.0)
        assert authenticator.serve() == 1
        assert listening.turn_until(lambda: waiting.has("ready"))
        waiting.socket.close()


def test_while_many_come_the_place_stays(context: Context) -> None:
    with listener(renew_from=RENEW_FROM) as listening:
        authenticator = listening.authenticator
        for number in range(2 * RENEW_FROM):
            with connected(listening, context):
                assert not authenticator.tidy(number * LOOK_S)
        assert authenticator.tidy(2 * RENEW_FROM * LOOK_S)
