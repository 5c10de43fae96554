"""The master's login at its own port, on a port that works and on ones that do not."""

from collections.abc import Callable, Iterator

import pytest

from limpet.common.clock import Instant, Moment, SystemClock
from limpet.common.identifiers import MinionKey
from limpet.common.transport.sockets import Context, make_keypair, public_key_of
from limpet.master.process import self_check
from limpet.master.process.main_port import MainPort
from limpet.master.process.self_check import SelfCheck


class Port:
    """A main port with its self check; the authenticator can be left unserved."""

    def __init__(self, *, lets_probe_in: bool = True) -> None:
        self.context = Context()
        _, secret = make_keypair()
        self.port = MainPort(
            self.context, secret_key=secret, is_accepted=_nobody, clock=SystemClock()
        )
        number = self.port.bind(["127.0.0.1"], 0)
        self.check = SelfCheck(
            self.context,
            addresses=["127.0.0.1"],
            port=number,
            server_key=public_key_of(secret),
        )
        if lets_probe_in:
            self.port.allow_probe(self.check.key)
        self.is_authenticator_alive = True
        self.later_s = 0.0

    def turn(self) -> None:
        if self.is_authenticator_alive:
            self.check.on_handshakes(self.port.serve_handshakes())
        real = SystemClock().now()
        now = Moment(Instant(real.boot + self.later_s), real.wall)
        self.port.departures(now.boot)
        self.check.step(now)

    def turn_until(self, is_so: Callable[[], bool], within_s: float = 20.0) -> None:
        deadline = SystemClock().now().after(within_s)
        while not is_so():
            assert SystemClock().now().boot < deadline
            self.turn()


def _nobody(_key: MinionKey) -> bool:
    return False


@pytest.fixture
def make_port() -> Iterator[Callable[..., Port]]:
    made: list[Port] = []

    def make(**options: bool) -> Port:
        made.append(Port(**options))
        return made[-1]

    yield make
    for each in made:
        each.check.close()
        each.port.close()
        assert each.context.close()


@pytest.mark.covers("A20")
def test_a_port_that_works_passes_and_is_asked_again_after_ten_seconds(
    make_port: Callable[..., Port],
) -> None:
    port = make_port()
    port.turn_until(lambda: port.check.passed == 1)
    port.turn()
    assert port.check.passed == 1
    port.later_s = self_check.INTERVAL_S + 0.1
    port.turn_until(lambda: port.check.passed == 2)
    assert not port.check.is_failed


@pytest.mark.covers("A20")
def test_an_authenticator_that_answers_nobody_is_found_within_thirty_seconds(
    make_port: Callable[..., Port],
) -> None:
    port = make_port()
    port.is_authenticator_alive = False
    turns = 0
    while not port.check.is_failed:
        deadline = SystemClock().now().after(1.0)
        while SystemClock().now().boot < deadline and not port.check._is_connected:
            port.turn()
        port.later_s += 1.0
        port.turn()
        turns += 1
        assert turns <= 30


@pytest.mark.covers("A20")
def test_an_authenticator_that_turns_the_right_key_away_is_found(
    make_port: Callable[..., Port],
) -> None:
    port = make_port(lets_probe_in=False)
    port.turn_until(lambda: port.check.failures == 1)
    port.later_s = self_check.INTERVAL_S + 0.1
    port.turn_until(lambda: port.check.is_failed)


def test_a_slow_login_beside_others_is_not_held_against_the_port(
    make_port: Callable[..., Port],
) -> None:
    port = make_port()
    port.is_authenticator_alive = False
    port.turn_until(lambda: port.check._is_connected)
    port.check.on_handshakes(5)
    port.later_s = self_check.PATIENCE_S + 1.0
    port.turn()
    assert port.check.failures == 0
