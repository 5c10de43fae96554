"""Whom the watcher cuts, told as small stories about byte counts."""

import pytest

from limpet.common.transport.watcher import Cut, Watcher, WatcherLimits

MAIN = WatcherLimits(unfinished_bytes_max=1000, first_message_s=8)
ENROL = WatcherLimits(unfinished_bytes_max=1000, first_message_s=8, age_max_s=30, connections_max=2)


class Wire:
    """Byte counts as the kernel would tell them; `waiting` is what nobody has read yet."""

    def __init__(self) -> None:
        self.received: dict[int, int] = {}
        self.waiting: dict[int, int] = {}
        self.reads = 0

    def read(self, fd: int) -> int | None:
        self.reads += 1
        return self.received.get(fd)

    def taken(self, fd: int) -> int | None:
        received = self.read(fd)
        return None if received is None else received - self.waiting.get(fd, 0)


def watching(limits: WatcherLimits = MAIN) -> tuple[Watcher, Wire]:
    wire = Wire()
    return Watcher(limits, received=wire.read, taken=wire.taken), wire


def sweeps(watcher: Watcher, start: float, end: float, *, is_drained: bool = True) -> list[Cut]:
    """Call as a daemon would: whenever `next_sweep` has come."""
    cuts: list[Cut] = []
    now = max(start, watcher.next_sweep)
    while now <= end:
        cuts += watcher.sweep(now, is_drained)
        assert watcher.next_sweep > now
        now = watcher.next_sweep
    return cuts


@pytest.mark.covers("B-7", "G6")
def test_bytes_without_a_whole_message_are_cut_within_half_a_second() -> None:
    watcher, wire = watching()
    wire.received[7] = 500
    watcher.accepted(7, "192.0.2.1", 0)
    watcher.message(7, b"peer", 0.1)
    assert sweeps(watcher, 0.1, 1) == []

    wire.received[7] = 1501
    cuts = sweeps(watcher, 1, 1.5)

    assert cuts == [Cut(7, b"peer", "unfinished_message")]


def test_bytes_up_to_the_limit_are_no_offence() -> None:
    watcher, wire = watching()
    wire.received[7] = 500
    watcher.accepted(7, "192.0.2.1", 0)
    watcher.message(7, b"peer", 0.1)
    assert sweeps(watcher, 0.1, 1) == []

    wire.received[7] = 1500

    assert sweeps(watcher, 1, 20) == []


def test_a_peer_whose_messages_arrive_may_send_without_end() -> None:
    watcher, wire = watching()
    wire.received[7] = 0
    watcher.accepted(7, "192.0.2.1", 0)
    for step in range(100):
        wire.received[7] += 900_000
        watcher.message(7, b"peer", step * 0.2)
        assert sweeps(watcher, step * 0.2, step * 0.2 + 0.19) == []


@pytest.mark.covers("B-7")
def test_whole_messages_first_do_not_help_whoever_never_ends_the_next() -> None:
    watcher, wire = watching()
    wire.received[7] = 0
    watcher.accepted(7, "192.0.2.1", 0)
    for step in range(10):
        watcher.message(7, b"peer", step * 0.2)
        assert sweeps(watcher, step * 0.2, step * 0.2 + 0.19) == []
    cuts: list[Cut] = []
    for step in range(10, 15):
        wire.received[7] += 10_000
        cuts += sweeps(watcher, step * 0.2, step * 0.2 + 0.19)

    assert cuts[0] == Cut(7, b"peer", "unfinished_message")


def test_a_burst_that_began_after_the_last_look_is_given_a_second_look() -> None:
    watcher, wire = watching()
    wire.received[7] = 0
    watcher.accepted(7, "192.0.2.1", 0)
    watcher.message(7, b"peer", 0)
    assert sweeps(watcher, 0, 0.9) == []
    wire.received[7] = 5_000
    assert watcher.sweep(watcher.next_sweep, True) == []

    watcher.message(7, b"peer", 1.01)

    assert sweeps(watcher, 1.02, 5) == []


def test_bytes_that_wait_in_the_kernel_are_not_held_against_their_sender() -> None:
    """The process is late with reading: the messages may be whole."""
    watcher, wire = watching()
    wire.received[7] = 0
    watcher.accepted(7, "192.0.2.1", 0)
    watcher.message(7, b"peer", 0)
    assert sweeps(watcher, 0, 0.9) == []

    wire.received[7] = 5_000
    wire.waiting[7] = 4_900
    assert sweeps(watcher, 1, 1.5) == []

    wire.waiting[7] = 0
    assert sweeps(watcher, 1.5, 2.5) != []


@pytest.mark.covers("B-11")
def test_a_connection_that_is_no_longer_read_is_cut_after_a_second() -> None:
    watcher, wire = watching()
    wire.received[7] = 500
    watcher.accepted(7, "192.0.2.1", 0)
    watcher.message(7, b"peer", 0)
    assert sweeps(watcher, 0, 0.9) == []

    wire.received[7] = 600
    wire.waiting[7] = 100

    assert sweeps(watcher, 1, 1.9) == []
    assert sweeps(watcher, 1.9, 2.3) == [Cut(7, b"peer", "decrypt_failed")]


def test_a_connection_that_is_read_slowly_is_not_cut() -> None:
    watcher, wire = watching()
    wire.received[7] = 500
    watcher.accepted(7, "192.0.2.1", 0)
    watcher.message(7, b"peer", 0)
    assert sweeps(watcher, 0, 0.9) == []
    wire.received[7] = 900

    for step in range(10):
        wire.waiting[7] = 400 - 40 * step
        assert sweeps(watcher, 1 + step, 1.7 + step) == []


def test_nobody_is_judged_by_bytes_while_frames_wait_to_be_read() -> None:
    watcher, wire = watching()
    wire.received[7] = 0
    watcher.accepted(7, "192.0.2.1", 0)
    watcher.message(7, b"peer", 0)
    assert sweeps(watcher, 0, 0.9) == []
    wire.received[7] = 10**9

    assert sweeps(watcher, 1, 5, is_drained=False) == []
    assert sweeps(watcher, 5, 6) == [
        Cut(7, b"peer", "unfinished_message"),
    ]


def test_a_connection_that_never_says_anything_sensible_is_cut() -> None:
    watcher, wire = watching()
    for fd in (7, 8):
        wire.received[fd] = 300
        watcher.accepted(fd, "192.0.2.1", 0)
    watcher.message(8, b"other", 7)

    assert sweeps(watcher, 0, 8) == []
    assert sweeps(watcher, 8, 8.5) == [Cut(7, None, "no_hello")]


def test_a_message_that_is_told_of_before_its_connection_counts() -> None:
    watcher, wire = watching()
    wire.received[7] = 300
    watcher.message(7, b"peer", 0)
    watcher.accepted(7, "192.0.2.1", 0)

    assert sweeps(watcher, 0, 30) == []


def test_a_cut_connection_that_stays_is_named_again_ten_seconds_later() -> None:
    watcher, wire = watching()
    wire.received[7] = 0
    watcher.accepted(7, "192.0.2.1", 0)

    assert len(sweeps(watcher, 0, 17)) == 1
    assert len(sweeps(watcher, 17, 19)) == 1
    watcher.disconnected(7)
    assert sweeps(watcher, 19, 40) == []
    assert len(watcher) == 0


def test_a_descriptor_that_is_used_again_starts_afresh() -> None:
    watcher, wire = watching()
    wire.received[7] = 10**6
    watcher.accepted(7, "192.0.2.1", 0)
    watcher.message(7, b"peer", 0)
    assert sweeps(watcher, 0, 1) == []

    watcher.disconnected(7)
    wire.received[7] = 400
    watcher.accepted(7, "192.0.2.9", 1)

    assert sweeps(watcher, 1, 2) == []
    wire.received[7] = 1_500
    assert sweeps(watcher, 2, 3) == [Cut(7, None, "unfinished_message")]


def test_on_the_enrolment_port_a_connection_ends_with_its_age() -> None:
    watcher, wire = watching(ENROL)
    wire.received[7] = 0
    watcher.accepted(7, "192.0.2.1", 0)
    for second in range(31):
        watcher.message(7, b"peer", second)
        assert sweeps(watcher, second, min(second + 0.9, 30)) == []

    assert sweeps(watcher, 30, 30.9) == [Cut(7, b"peer", "connection_age")]


def test_on_the_enrolment_port_a_connection_too_many_is_cut_at_once() -> None:
    watcher, wire = watching(ENROL)
    for fd in (7, 8, 9):
        wire.received[fd] = 0
        watcher.accepted(fd, "192.0.2.1", 0)

    assert watcher.sweep(0, False) == [Cut(9, None, "connection_limit")]


class CrowdedPort:
    """A port with room for ten, and who is inside."""

    def __init__(self) -> None:
        limits = WatcherLimits(unfinished_bytes_max=1000, first_message_s=8, connections_max=10)
        self.watcher = Watcher(limits, received=lambda _: 0, network=lambda each: each[:9])
        self.inside: dict[int, str] = {}
        self.now = 0.0

    def come(self, address: str, times: int) -> None:
        """Let so many come, one after the other."""
        for _ in range(times):
            self.now += 0.01
            fd = next(number for number in range(100) if number not in self.inside)
            self.inside[fd] = address
            self.watcher.accepted(fd, address, self.now)
            for cut in self.watcher.sweep(self.now, True):
                assert cut.reason == "connection_limit"
                self.watcher.disconnected(cut.fd)
                del self.inside[cut.fd]

    def number_of(self, source: str) -> int:
        """Count those of one source that are inside."""
        return sum(each.startswith(source) for each in self.inside.values())


def test_one_source_may_fill_the_port_while_nobody_else_comes() -> None:
    port = CrowdedPort()
    port.come("192.0.2.1", 15)
    assert port.number_of("192.0.2.1") == 10


def test_one_source_that_fills_the_port_keeps_nobody_out() -> None:
    port = CrowdedPort()
    for _ in range(4):
        port.come("192.0.2.9", 30)
        port.come("192.0.2.1", 1)
        port.come("192.0.2.2", 1)
    shares = sorted(port.number_of(each) for each in ("192.0.2.1", "192.0.2.2", "192.0.2.9"))
    assert shares == [3, 3, 4]


def test_a_network_that_gives_itself_many_addresses_is_one_source() -> None:
    port = CrowdedPort()
    for number in range(30):
        port.come(f"192.0.2.1{number:02}", 1)
    port.come("192.0.3.1", 1)
    assert port.number_of("192.0.3.1") == 1


def test_those_that_have_left_take_no_room() -> None:
    port = CrowdedPort()
    port.come("192.0.2.9", 10)
    for fd in tuple(port.inside):
        port.watcher.disconnected(fd)
    port.inside.clear()
    port.come("192.0.2.1", 6)
    port.come("192.0.2.2", 4)
    assert len(port.inside) == 10
    assert len(port.watcher) == 10


def test_a_sweep_looks_at_so_many_and_the_next_goes_on_there() -> None:
    watcher, wire = watching()
    for fd in range(2_500):
        wire.received[fd] = 0
        watcher.accepted(fd, "192.0.2.1", 0)
        watcher.message(fd, b"peer", 0)

    watcher.sweep(0, True)
    assert wire.reads == 250
    assert sweeps(watcher, 0.01, 1.9) == []
    assert wire.reads == 2_500
    assert sweeps(watcher, 1.9, 3.9) == []
    assert wire.reads == 5_000


def test_while_memory_fills_all_are_looked_at_at_once() -> None:
    watcher, wire = watching()
    for fd in range(2_500):
        wire.received[fd] = 0
        watcher.accepted(fd, "192.0.2.1", 0)
        watcher.message(fd, b"peer", 0)
    assert sweeps(watcher, 0, 2) == []
    wire.received[2_400] = 5_000

    watcher.hurry(2.01)

    assert sweeps(watcher, 2.01, 2.2) == [Cut(2_400, b"peer", "unfinished_message")]
    wire.reads = 0
    assert sweeps(watcher, 4.1, 5.08) == []
    assert wire.reads <= 1_500


def test_one_whose_bytes_wait_is_looked_at_each_time_among_thousands() -> None:
    watcher, wire = watching()
    for fd in range(2_500):
        wire.received[fd] = 500
        watcher.accepted(fd, "192.0.2.1", 0)
        watcher.message(fd, b"peer", 0)
    assert sweeps(watcher, 0, 2) == []
    wire.received[9] = 600
    wire.waiting[9] = 100

    assert sweeps(watcher, 2, 5.2) == [Cut(9, b"peer", "decrypt_failed")]


def held_by_a_herd(number: int, others: int = 0) -> tuple[Watcher, Wire]:
    """Bytes of 7 wait from second 1 on, when so many come who have said nothing yet."""
    watcher, wire = watching()
    for fd in (7, *range(10_000, 10_000 + others)):
        wire.received[fd] = 500
        watcher.accepted(fd, "192.0.2.1", 0)
        watcher.message(fd, b"peer", 0)
    assert sweeps(watcher, 0, 0.9) == []
    for fd in range(100, 100 + number):
        wire.received[fd] = 0
        watcher.accepted(fd, "192.0.2.1", 1)
    wire.received[7] = 600
    wire.waiting[7] = 100
    return watcher, wire


def test_nobody_is_cut_for_bytes_that_wait_while_a_herd_logs_in() -> None:
    watcher, _ = held_by_a_herd(60)
    assert sweeps(watcher, 1, 3.9) == []

    for fd in range(100, 160):
        watcher.message(fd, b"%d" % fd, 3.9)

    assert sweeps(watcher, 3.9, 4.4) == [], "libzmq's thread is free only now"
    assert sweeps(watcher, 4.4, 5) == [Cut(7, b"peer", "decrypt_failed")]


def test_a_herd_buys_nobody_more_than_ten_seconds() -> None:
    watcher, wire = held_by_a_herd(60)
    cuts: list[Cut] = []
    for second in range(1, 12):
        for fd in range(1000 * second, 1000 * second + 60):
            wire.received[fd] = 0
            watcher.accepted(fd, "192.0.2.1", second)
        if second < 11:
            assert Cut(7, b"peer", "decrypt_failed") not in sweeps(watcher, second, second + 0.9)
        else:
            cuts = sweeps(watcher, second, second + 0.9)

    assert Cut(7, b"peer", "decrypt_failed") in cuts


def test_a_few_silent_connections_beside_a_large_fleet_are_no_herd() -> None:
    watcher, _ = held_by_a_herd(60, others=600)
    assert Cut(7, b"peer", "decrypt_failed") in sweeps(watcher, 1, 2.5)


def test_connections_that_stay_silent_are_a_herd_for_three_seconds() -> None:
    watcher, _ = held_by_a_herd(60)
    assert sweeps(watcher, 1, 4) == []
    assert Cut(7, b"peer", "decrypt_failed") in sweeps(watcher, 4, 5.2)


def test_those_that_have_spoken_are_counted() -> None:
    watcher, _ = watching()
    for fd in range(5):
        watcher.accepted(fd, "192.0.2.1", 0)
    assert watcher.heard == 0
    for fd in (1, 3):
        watcher.message(fd, b"peer", 1)
    assert watcher.heard == 2
    watcher.disconnected(3)
    watcher.disconnected(4)
    assert watcher.heard == 1


def test_unknown_descriptors_are_harmless() -> None:
    watcher, _ = watching()

    watcher.disconnected(3)
    watcher.message(3, b"peer", 0)
    watcher.accepted(4, "192.0.2.1", 0)  # the kernel does not know it: it is on its way out

    assert sweeps(watcher, 0, 5) == []


def test_a_cut_does_not_show_the_peer_when_it_is_printed() -> None:
    assert "secret" not in repr(Cut(7, b"secret", "no_hello"))
