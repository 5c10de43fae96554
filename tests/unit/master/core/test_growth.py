"""Memory that grows by more than connections explain."""

from limpet.master.process.memory import Growth

MIB = 1024 * 1024


class Held:
    """Memory of a process, as a test has it."""

    def __init__(self) -> None:
        self.bytes = 50 * MIB
        self.growth = Growth(lambda: self.bytes)
        assert self.growth.is_odd(0)  # the first look: the process itself
        assert not self.growth.is_odd(0)


def test_memory_that_new_connections_explain_is_not_odd() -> None:
    held = Held()
    for connections in range(0, 10_001, 100):
        held.bytes = 50 * MIB + connections * 44 * 1024
        assert not held.growth.is_odd(connections)
    held.bytes += 33 * MIB + 10_000 * 4 * 1024
    assert held.growth.is_odd(10_000)
    assert not held.growth.is_odd(10_000)


def test_memory_that_fills_without_new_connections_is_odd_each_time() -> None:
    held = Held()
    odd = 0
    for _ in range(100):
        held.bytes += MIB
        odd += held.growth.is_odd(0)
    assert odd == 3


def test_memory_that_was_given_back_is_noticed_when_it_fills_again() -> None:
    held = Held()
    held.bytes = 20 * MIB
    assert not held.growth.is_odd(0)
    held.bytes = 53 * MIB
    assert held.growth.is_odd(0)
