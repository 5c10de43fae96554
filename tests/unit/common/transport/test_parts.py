"""The small parts of the transport: endpoints, options, waiting, polling, suspensions, library."""

import errno
import os
from collections.abc import Sequence
from typing import Any

import pytest

from limpet.common.errors import Stalled, UsageError
from limpet.common.transport import endpoints, library, options
from limpet.common.transport.errors import BadArrival, FrameTooLarge, PeerFull, PeerGone
from limpet.common.transport.polling import PollBook
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


class ScriptedPoller:
    """Stands below the book and says what is ready."""

    def __init__(self) -> None:
        self.flags: dict[Any, int] = {}
        self.ready: list[Any] = []
        self.timeout = -1

    def register(self, handle: object, flags: int) -> None:
        self.flags[handle] = flags

    def unregister(self, handle: object) -> None:
        del self.flags[handle]

    def poll(self, timeout: int) -> Sequence[tuple[Any, int]]:
        self.timeout = timeout
        return [(handle, 1) for handle in self.ready]


class TwoHandles:
    def handles(self) -> Sequence[str]:
        return ("frames", "events")


def test_a_thing_with_two_handles_is_ready_once_whichever_is() -> None:
    raw, thing = ScriptedPoller(), TwoHandles()
    book = PollBook(raw)
    book.register(thing)

    for ready in (["frames"], ["events"], ["frames", "events"]):
        raw.ready = list(ready)
        assert book.wait(1) == {thing}
    assert raw.timeout == 1000
    book.unregister(thing)
    assert raw.flags == {}


def test_a_thing_is_registered_again_with_other_wishes() -> None:
    raw, (reading, writing) = ScriptedPoller(), os.pipe()
    with open(reading, "rb") as reader, open(writing, "wb") as writer:
        book = PollBook(raw)
        book.register(reader)
        book.register(writer, readable=False, writable=True)
        assert raw.flags == {reading: 1, writing: 2}
        book.register(writer, writable=True)
        assert raw.flags == {reading: 1, writing: 3}
        raw.ready = [writing]
        assert book.wait(float("inf")) == {writer}
        assert raw.timeout == 60_000
        book.unregister(writer)
        book.unregister(writer)
        assert raw.flags == {reading: 1}


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
