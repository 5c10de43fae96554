"""What is on its way to all minions together: who does not speak again is not counted for ever."""

from limpet.common.clock import FOREVER, Instant, Moment
from limpet.common.identifiers import MinionKey
from limpet.master.files.in_flight import InFlight


def at(seconds: float) -> Moment:
    return Moment(Instant(seconds), 1_700_000_000.0 + seconds)


def test_counts_whose_moment_is_over_go_when_the_next_piece_is_sent() -> None:
    flight = InFlight(1_000, 5.0)
    for number in range(8):
        flight.add(at(number), MinionKey(f"gone{number}"), 10)
    assert flight.held_bytes == 50, "the first three are over by then"
    flight.add(at(100), MinionKey("here"), 10)
    assert flight.held_bytes == 10


def test_room_comes_when_a_minion_speaks_or_its_moment_is_over() -> None:
    flight = InFlight(20, 5.0)
    flight.add(at(0), MinionKey("a"), 15)
    flight.add(at(1), MinionKey("b"), 15)
    assert not flight.has_room(at(1))
    assert flight.next_deadline == 5.0
    flight.arrived(MinionKey("b"))
    assert flight.has_room(at(1))
    assert flight.next_deadline == FOREVER
    flight.add(at(2), MinionKey("b"), 15)
    assert not flight.has_room(at(4))
    assert flight.has_room(at(5))
