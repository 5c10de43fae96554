"""The small parts of the transport: endpoints, options, waiting, polling, suspensions, library."""

import errno
import os
import time
from collections.abc import Iterator, Sequence

import pytest

from limpet.common.errors import Stalled, UsageError
from limpet.common.transport import endpoints, library, options
from limpet.common.transport.errors import BadArrival, FrameTooLarge, PeerFull, PeerGone
from limpet.common.transport.polling import Poller
from limpet.common.transport.suspensions import Suspensions
from limpet.common.transport.waiting import wait_for


@pytest.mark.parametrize(
    "address, port, written",
    [
        ("127.0.0.1", 4506, "tcp://127.0.0.1:4506"),
        ("0.0.0.0", 0, "tcp://0.0.0.0:*"),
        ("::1", 4506, "tcp://[::1]:4506"),
        ("fe80::1%eth0", 4505, "tcp://[fe80::1%eth0]:4505"),
    ],
)
def test_an_endpoint_is_a_number_and_a_number(address: str, port: int, written: str) -> None:
    assert endpoints.endpoint(address, port) == written


@pytest.mark.covers("A11", "B6")
@pytest.mark.parametrize(
    "name",
    [
        "",
        "localhost",
        "salt.example.net",
        "*",
        "eth0",
        "127.1",
        "1.2.3.4;5.6.7.8",
        "1.2.3.4\0",
        "::g",
    ],
)
def test_a_name_is_no_address(name: str) -> None:
    with pytest.raises(UsageError, match="not a numeric address"):
        endpoints.endpoint(name, 4506)


def test_the_wildcard_of_ipv6_covers_that_of_ipv4() -> None:
    assert endpoints.without_doubles(["0.0.0.0", "::"]) == ["::"]
    assert endpoints.without_doubles(["0.0.0.0", "0.0.0.0"]) == ["0.0.0.0"]
    assert endpoints.without_doubles(["127.0.0.1", "::1"]) == ["127.0.0.1", "::1"]


@pytest.mark.parametrize("bound", ["tcp://127.0.0.1:4506", "tcp://[::1]:4506", "tcp://::1:4506\0"])
def test_the_port_is_read_from_what_was_bound(bound: str) -> None:
    assert endpoints.port_of(bound) == 4506


def test_a_port_that_cannot_be_opened_is_named_with_what_to_do() -> None:
    text = endpoints.why_not_bound("127.0.0.1", 4506, errno.EADDRINUSE, "Address in use")
    assert "4506" in text
    assert "127.0.0.1" in text
    assert "in use" in text
    assert "no such address" in endpoints.why_not_bound("192.0.2.1", 1, errno.EADDRNOTAVAIL, "")
    assert "Permission" in endpoints.why_not_bound("::", 1, errno.EACCES, "Permission denied")


@pytest.mark.parametrize("seconds, milliseconds", [(3, 3000), (0.25, 250), (0.0001, 1)])
def test_no_option_is_ever_zero_which_would_mean_for_ever(
    seconds: float, milliseconds: int
) -> None:
    assert options.milliseconds(seconds) == milliseconds


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_an_option_without_a_bound_cannot_be_written(seconds: float) -> None:
    with pytest.raises(AssertionError):
        options.milliseconds(seconds)


@pytest.mark.parametrize(
    "seconds, milliseconds",
    [(0, 0), (-5, 0), (0.0001, 1), (1.0001, 1001), (3600, 60_000), (float("inf"), 60_000)],
)
def test_a_poll_is_rounded_up_and_never_longer_than_a_minute(
    seconds: float, milliseconds: int
) -> None:
    assert options.poll_milliseconds(seconds) == milliseconds


def test_waiting_ends_with_what_was_found() -> None:
    looks = iter([None, None, "found"])
    sleeps: list[float] = []

    assert wait_for(lambda: next(looks), sleeps.append, 5, "a frame") == "found"
    assert len(sleeps) == 2
    assert all(0 < s <= 5 for s in sleeps)


@pytest.mark.parametrize("within_s", [0, -1])
def test_waiting_no_time_looks_once(within_s: float) -> None:
    assert wait_for(lambda: "there", lambda s: None, within_s, "a frame") == "there"
    with pytest.raises(Stalled, match="a frame") as caught:
        wait_for(lambda: None, lambda s: None, within_s, "a frame")
    assert caught.value.waited_for == "a frame"


class PipeHandle:
    """Stands for a socket of libzmq: a descriptor, and what there is to read behind it."""

    def __init__(self, fd: int, *, is_empty: bool = True) -> None:
        self.fd = fd
        self.is_empty = is_empty
        self.waiting = False
        self.looks = 0

    def fileno(self) -> int:
        return self.fd

    def has_waiting(self) -> bool:
        self.looks += 1
        self.is_empty = not self.waiting
        return self.waiting


class TwoHandles:
    def __init__(self, *handles: PipeHandle) -> None:
        self._handles = handles

    def handles(self) -> Sequence[PipeHandle]:
        return self._handles


@pytest.fixture
def pipes() -> Iterator[Sequence[tuple[int, int]]]:
    """Two pipes: where to read, and where to write."""
    made = (os.pipe(), os.pipe())
    yield made
    for fd in (*made[0], *made[1]):
        os.close(fd)


def test_a_thing_with_two_handles_is_ready_once_whichever_is(
    pipes: Sequence[tuple[int, int]],
) -> None:
    handles = tuple(PipeHandle(reading) for reading, _ in pipes)
    thing, poller = TwoHandles(*handles), Poller()
    poller.register(thing)
    assert poller.wait(0) == set()

    for handle, (_, writing) in zip(handles, pipes, strict=True):
        os.write(writing, b"x")
        handle.waiting = True
        assert poller.wait(float("inf")) == {thing}
    poller.unregister(thing)
    poller.unregister(thing)
    assert poller.wait(0) == set()


def test_a_socket_that_may_hold_something_is_looked_at_before_the_wait(
    pipes: Sequence[tuple[int, int]],
) -> None:
    """Its descriptor need not tell of it: a send may have swallowed that."""
    handle = PipeHandle(pipes[0][0], is_empty=False)
    thing, poller = TwoHandles(handle), Poller()
    poller.register(thing)
    handle.waiting = True

    assert poller.wait(float("inf")) == {thing}
    handle.waiting = False
    assert poller.wait(0) == set()
    looks = handle.looks
    assert poller.wait(0) == set()
    assert handle.looks == looks  # known to be empty, it costs nothing


def test_a_wake_up_for_nothing_ends_no_wait(pipes: Sequence[tuple[int, int]]) -> None:
    (reading, writing), (other, _) = pipes

    class Swallowing(PipeHandle):
        def has_waiting(self) -> bool:
            os.read(self.fd, 1)
            return super().has_waiting()

    handle = Swallowing(reading)
    poller = Poller()
    poller.register(TwoHandles(handle))
    poller.register(other)
    os.write(writing, b"x")
    started = time.monotonic()

    assert poller.wait(0.1) == set()
    assert time.monotonic() - started >= 0.09
    assert handle.looks == 1


def test_a_thing_is_registered_again_with_other_wishes(pipes: Sequence[tuple[int, int]]) -> None:
    reading, writing = pipes[0]
    poller = Poller()
    poller.register(reading)
    poller.register(writing, readable=False)
    assert poller.wait(0) == set()

    poller.register(writing, readable=False, writable=True)
    assert poller.wait(float("inf")) == {writing}
    os.write(writing, b"x")
    assert poller.wait(float("inf")) == {reading, writing}
    poller.unregister(writing)
    poller.unregister(writing)
    assert poller.wait(float("inf")) == {reading}


def test_a_new_socket_may_have_the_number_of_what_was_closed_and_not_yet_forgotten() -> None:
    """As where a client leaves a minion in the turn in which that opens its next socket."""
    (reading, writing), poller = os.pipe(), Poller()
    poller.register(reading)
    os.close(reading)
    taken, other = os.pipe()
    assert taken == reading
    handle = PipeHandle(taken)
    thing = TwoHandles(handle)
    poller.register(thing)
    assert poller.wait(0) == set()

    poller.unregister(reading)  # by whoever held it: too late, and it takes nothing from the other
    os.write(other, b"x")
    handle.waiting = True
    assert poller.wait(1.0) == {thing}
    poller.unregister(thing)
    for fd in (writing, taken, other):
        os.close(fd)


def test_a_suspension_doubles_and_is_bounded() -> None:
    suspensions = Suspensions(first_s=60, longest_s=200)

    assert not suspensions.is_suspended("key", 0)
    assert [suspensions.suspend("key", 0) for _ in range(4)] == [60, 120, 200, 200]
    assert suspensions.is_suspended("key", 199.9)
    assert not suspensions.is_suspended("key", 200)
    assert not suspensions.is_suspended("other", 0)


def test_suspensions_forget_the_oldest_when_there_are_too_many() -> None:
    suspensions = Suspensions()
    for number in range(5_000):
        suspensions.suspend(str(number), 0)

    assert not suspensions.is_suspended("0", 1)
    assert suspensions.is_suspended("4999", 1)
    assert suspensions.is_suspended("1000", 1)


@pytest.mark.covers("B19", "G10")
@pytest.mark.parametrize("version", [(4, 3, 4), (4, 2, 9), (3, 9, 9), (4, 3, 0)])
def test_a_library_too_old_is_refused_by_name(version: tuple[int, int, int]) -> None:
    with pytest.raises(UsageError, match=r"libzmq \d\.\d\.\d is too old: 4\.3\.5 or newer"):
        library.check(version, has_curve=True)


@pytest.mark.covers("B19")
def test_a_library_without_encryption_is_refused() -> None:
    with pytest.raises(UsageError, match="CURVE"):
        library.check((4, 3, 5), has_curve=False)
    library.check((4, 3, 5), has_curve=True)
    library.check((5, 0, 0), has_curve=True)


def test_errors_say_what_happened_and_never_to_which_connection() -> None:
    assert str(PeerGone()) == "the connection has ended"
    assert "full" in str(PeerFull())
    assert "2000" in str(FrameTooLarge(2000, 1024))
    bad = BadArrival("parts", "two parts", fd=3, peer=b"secret", key=None)
    assert "secret" not in str(bad) + repr(bad)
