"""The Unix socket of the master, talked to by real clients, well-behaved and not."""

import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from limpet.common.clock import Instant, Moment, SystemClock
from limpet.common.control.framing import REPLY_BYTES_MAX, FrameReader, frame
from limpet.common.control.replies import (
    AnyReply,
    Event,
    JobEnded,
    Jobs,
    JobStored,
    Refused,
    Reply,
)
from limpet.common.control.requests import AskStatus, ListJobs, ListKeys, WatchEvents, WatchJob
from limpet.common.errors import UsageError
from limpet.common.identifiers import Commit
from limpet.master.control import server
from limpet.master.control.peer_credentials import Lookup, Names, system_lookup
from limpet.master.control.reply_queue import ReplyQueue
from limpet.master.control.server import Asked, ClientGone, ControlServer
from limpet.master.core.effects import Answer, Client, Fetch, Query

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
JID = f"01HX{7:022d}"


class Master:
    """A server whose clock can be moved, and a loop that answers as the test says."""

    def __init__(self, path: Path, lookup: Lookup = system_lookup) -> None:
        self.path = path
        self.server = ControlServer(path, group="no-such-group", lookup=lookup)
        self.later_s = 0.0
        self.asked: list[Asked] = []
        self.gone: list[Client] = []
        self.reply: Callable[[Asked], list[Reply]] = lambda _: [Jobs(())]

    def now(self) -> Moment:
        now = SystemClock().now()
        return Moment(Instant(now.boot + self.later_s), now.wall)

    def turn(self) -> None:
        for found in self.server.collect(self.now()):
            if isinstance(found, ClientGone):
                self.gone.append(found.client)
                continue
            self.asked.append(found)
            for reply in self.reply(found):
                self.server.answer(found.client, reply, self.now())
        self.server.flush(self.now())

    def turn_until(self, is_done: Callable[[], bool]) -> None:
        deadline = SystemClock().now().after(20.0)
        while not is_done():
            assert SystemClock().now().boot < deadline, "the server did not get there"
            self.turn()


class Talker:
    """A client in this process; the server turns while it waits."""

    def __init__(self, master: Master) -> None:
        self.master = master
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(master.path))
        self.socket.setblocking(False)
        self.reader = FrameReader(REPLY_BYTES_MAX)
        self.replies: list[AnyReply] = []
        self.is_over = False

    def ask(self, *requests: msgspec.Struct) -> None:
        for request in requests:
            payload = msgspec.msgpack.encode(request)
            self.socket.sendall(frame(payload, bytes_max=1 << 20))

    def read(self) -> None:
        while not self.is_over:
            try:
                data = self.socket.recv(1 << 20)
            except BlockingIOError:
                return
            except ConnectionResetError:
                data = b""
            self.is_over = not data
            for payload in self.reader.feed(data):
                self.replies.append(msgspec.msgpack.decode(payload, type=AnyReply))

    def wait(self, is_enough: Callable[[], bool]) -> None:
        def look() -> bool:
            self.read()
            return is_enough()

        self.master.turn_until(look)

    def wait_for_replies(self, number: int) -> None:
        self.wait(lambda: len(self.replies) >= number)

    def wait_for_end(self) -> None:
        self.wait(lambda: self.is_over)

    @property
    def last_word(self) -> Refused:
        last = self.replies[-1]
        assert isinstance(last, Refused)
        return last


@pytest.fixture
def make_master() -> Iterator[Callable[..., Master]]:
    place = Path(tempfile.mkdtemp(prefix="limpet-"))
    made: list[Master] = []

    def make(lookup: Lookup = system_lookup) -> Master:
        made.append(Master(place / "master.sock", lookup))
        return made[-1]

    yield make
    for master in made:
        master.server.close()
    shutil.rmtree(place)


@pytest.fixture
def master(make_master: Callable[..., Master]) -> Master:
    return make_master()


@pytest.fixture
def connect(master: Master) -> Iterator[Callable[[], Talker]]:
    made: list[Talker] = []

    def make() -> Talker:
        made.append(Talker(master))
        return made[-1]

    yield make
    for talker in made:
        talker.socket.close()


def test_requests_are_answered_one_after_the_other(
    master: Master, connect: Callable[[], Talker]
) -> None:
    talker = connect()
    talker.ask(ListJobs(limit=5), AskStatus(), ListKeys())
    talker.wait_for_replies(3)
    assert talker.replies == [Jobs(())] * 3
    assert [type(asked.request) for asked in master.asked] == [ListJobs, AskStatus, ListKeys]
    assert master.asked[0].uid == os.geteuid()
    assert master.asked[0].user == system_lookup(os.geteuid(), "").user
    talker.socket.close()
    master.turn_until(lambda: master.gone == [master.asked[0].client])


def test_the_next_request_waits_for_the_end_of_the_one_before(
    master: Master, connect: Callable[[], Talker]
) -> None:
    stored = JobStored(JID, "test.ping", "*", "root", 1.0, (), False)
    master.reply = lambda asked: [stored] if isinstance(asked.request, WatchJob) else [Jobs(())]
    talker = connect()
    talker.ask(WatchJob(JID, False, True), ListJobs(limit=1))
    talker.wait_for_replies(1)
    for _ in range(20):
        master.turn()
    assert len(master.asked) == 1
    master.server.answer(master.asked[0].client, JobEnded(JID), master.now())
    talker.wait_for_replies(3)
    assert talker.replies == [stored, JobEnded(JID), Jobs(())]


def test_a_followed_job_may_be_silent_for_hours_but_an_idle_connection_is_closed(
    master: Master, connect: Callable[[], Talker]
) -> None:
    stored = JobStored(JID, "test.ping", "*", "root", 1.0, (), False)
    master.reply = lambda _: [stored]
    follower, idler = connect(), connect()
    follower.ask(WatchJob(JID, False, True))
    idler.ask(WatchJob(JID, False, False))
    follower.wait_for_replies(1)
    idler.wait_for_replies(1)
    master.later_s = 5 * 3600.0
    idler.wait_for_end()
    assert not follower.is_over
    master.server.answer(master.asked[0].client, JobEnded(JID), master.now())
    follower.wait_for_replies(2)


@pytest.mark.covers("B-74")
@pytest.mark.parametrize(
    "garbage, reason, is_cut",
    [
        ((100 << 20).to_bytes(4, "big"), "cli_bad_request", True),
        (bytes(4), "cli_bad_request", True),
        (b"GET / HTTP/1.1\r\n\r\n", "cli_bad_request", True),
        (frame(b"\xc1\xff", bytes_max=9), "cli_bad_request", False),
        (frame(b"\x91\xa4nope", bytes_max=9), "cli_bad_request", False),
        (frame(b"\x91" * 5000, bytes_max=5000), "cli_bad_request", False),
        (
            frame(msgspec.msgpack.encode(["run", "0" * 32, "*", "glob"]), bytes_max=100),
            "cli_bad_request",
            False,
        ),
    ],
    ids=["100 MB", "empty", "HTTP", "no msgpack", "unknown", "deep", "fields missing"],
)
def test_garbage_is_refused_with_a_word_and_harms_no_other_client(
    master: Master, connect: Callable[[], Talker], garbage: bytes, reason: str, is_cut: bool
) -> None:
    good, bad = connect(), connect()
    bad.socket.sendall(garbage)
    bad.wait_for_replies(1)
    assert bad.last_word.reason == "usage"
    assert master.server.rejected[reason] == 1
    if is_cut:
        bad.wait_for_end()
    else:
        bad.ask(ListJobs(limit=1))
        bad.wait_for_replies(2)
    good.ask(ListJobs(limit=1))
    good.wait_for_replies(1)


@pytest.mark.covers("B-77")
def test_numbers_that_are_none_and_texts_with_nul_are_refused(
    master: Master, connect: Callable[[], Talker]
) -> None:
    talker = connect()
    for odd in (
        ["create_token", float("nan"), 1, "*"],
        ["create_token", float("inf"), 1, "*"],
        ["create_token", 60.0, 1, "we\0b"],
        ["cancel", JID, ["web1\0"]],
    ):
        talker.socket.sendall(frame(msgspec.msgpack.encode(odd), bytes_max=1000))
    talker.wait_for_replies(4)
    assert master.server.rejected == {"bad_text": 4}
    assert master.asked == []


@pytest.mark.covers("B-74")
def test_half_a_request_is_waited_for_ten_seconds_and_no_longer(
    master: Master, connect: Callable[[], Talker]
) -> None:
    silent, half, good = connect(), connect(), connect()
    half.socket.sendall(frame(bytes(1000), bytes_max=1000)[:500])
    good.ask(ListJobs(limit=1))
    good.wait_for_replies(1)
    master.later_s = 9.0
    for _ in range(5):
        master.turn()
    silent.read()
    half.read()
    assert not silent.is_over
    assert not half.is_over
    master.later_s = 11.0
    silent.wait_for_end()
    half.wait_for_end()
    assert "no whole request" in half.last_word.text
    assert not good.is_over


@pytest.mark.covers("B-74")
def test_a_thousand_idle_connections_leave_room_for_the_next_after_ten_seconds(
    master: Master,
) -> None:
    crowd = []
    for _ in range(300):
        idle = socket.socket(socket.AF_UNIX)
        idle.connect(str(master.path))
        crowd.append(idle)
        master.turn()
    assert len(master.server) <= 64
    assert master.server.rejected["cli_connections"] >= 300 - 64
    refused = Talker(master)
    refused.wait_for_end()
    assert "64 clients" in refused.last_word.text
    master.later_s = 11.0
    master.turn_until(lambda: len(master.server) == 0)
    welcome = Talker(master)
    welcome.ask(ListJobs(limit=1))
    welcome.wait_for_replies(1)
    for idle in (*crowd, refused.socket, welcome.socket):
        idle.close()


@pytest.mark.covers("B-74")
def test_a_client_that_leaves_in_the_middle_of_a_reply_is_let_go(
    master: Master, connect: Callable[[], Talker]
) -> None:
    big = Event("x", 1.0, {"text": "x" * 5_000_000})
    master.reply = lambda _: [big]
    talker = connect()
    talker.ask(WatchEvents())
    master.turn_until(lambda: bool(master.asked))
    talker.socket.close()
    master.turn_until(lambda: master.gone == [master.asked[0].client])
    assert len(master.server) == 0


class NoStore:
    """A store that nobody asks."""

    def ask(self, question: Query | Fetch) -> bool:
        raise AssertionError(f"the store is asked {question}")


def _telling(master: Master) -> ReplyQueue:
    return ReplyQueue(
        control=master.server,
        store=NoStore(),
        add_figures=lambda status: status,
        committed=Commit(0),
    )


def test_events_for_a_slow_reader_are_dropped_and_counted_and_the_loop_never_waits(
    master: Master, connect: Callable[[], Talker]
) -> None:
    talker = connect()
    master.reply = lambda _: []
    talker.ask(WatchEvents())
    master.turn_until(lambda: bool(master.asked))
    client = master.asked[0].client
    telling = _telling(master)
    for number in range(5_000):
        event = Event(f"n/{number}", 1.0, {"text": "x" * 1000})
        telling.tell(Answer(client, event), master.now())
    assert telling.weight < 10_000
    talker.wait_for_replies(100)
    talker.wait(lambda: not any(c.link.wants_write for c in master.server._clients.values()))
    telling.tell(Answer(client, Event("end", 2.0, {})), master.now())
    talker.wait(lambda: talker.replies[-1] == Event("end", 2.0, {}))
    gap = talker.replies[-2]
    assert isinstance(gap, Event)
    assert gap.tag == "events/dropped"
    assert len(talker.replies) + int(gap.data["count"]) == 5_002


def test_a_large_answer_of_the_store_and_what_follows_it_are_both_told(
    master: Master, connect: Callable[[], Talker]
) -> None:
    """The end of a job does not find the queue full of what was said before it."""
    talker = connect()
    master.reply = lambda _: []
    talker.ask(WatchJob(JID, False, True))
    master.turn_until(lambda: bool(master.asked))
    stored = JobStored(JID, "test.ping", "x" * 20_000_000, "root", 1.0, (), False)
    telling = _telling(master)
    begun = Event("begun", 1.0, {"text": "x" * 900_000})
    for reply in (begun, stored, JobEnded(JID)):
        telling.tell(Answer(master.asked[0].client, reply), master.now())

    def is_told() -> bool:
        telling.go_on(master.now())
        return len(talker.replies) == 3

    talker.wait(is_told)
    assert talker.replies == [begun, stored, JobEnded(JID)]
    assert not master.server.rejected


def test_a_client_that_reads_nothing_for_a_minute_is_cut_with_the_reason(
    master: Master, connect: Callable[[], Talker]
) -> None:
    talker = connect()
    master.reply = lambda _: [Event("x", 1.0, {"text": "x" * 2_000_000})]
    talker.ask(WatchEvents())
    master.turn_until(lambda: bool(master.asked))
    master.later_s = 61.0
    master.turn()
    talker.wait_for_end()
    assert "does not read" in talker.last_word.text
    assert master.server.rejected["cli_slow"] == 1


def test_a_client_that_takes_next_to_nothing_is_cut_however_often(
    master: Master, connect: Callable[[], Talker]
) -> None:
    talker = connect()
    master.reply = lambda _: [Event("x", 1.0, {"text": "x" * 900_000})]
    talker.ask(WatchEvents())
    master.turn_until(lambda: bool(master.asked))
    client = master.asked[0].client
    while not master.server.rejected["cli_slow"]:
        assert master.later_s < 90.0, "one byte a second would be enough to stay for ever"
        talker.socket.recv(1_000)
        master.later_s += 1.0
        master.server.answer(client, Event("y", 1.0, {}), master.now())
        master.server.flush(master.now())
        master.turn()
    master.turn_until(lambda: master.gone == [client] or not talker.socket.recv(1 << 20))
    master.turn_until(lambda: master.gone == [client])


def test_a_client_that_reads_slowly_but_reads_is_not_cut(
    master: Master, connect: Callable[[], Talker]
) -> None:
    """The kernel says that there is room again only once most has been read."""
    talker = connect()
    master.reply = lambda _: [Event("x", 1.0, {"text": "x" * 900_000})]
    talker.ask(WatchEvents())
    master.turn_until(lambda: bool(master.asked))
    for _ in range(8):
        taken = 0
        while taken < 100_000:
            taken += len(talker.socket.recv(10_000))
        master.later_s += 59.0
        master.turn()
        master.later_s += 2.0
        master.turn()
    assert not master.server.rejected
    assert len(master.server) == 1


def test_when_all_leave_too_much_unread_the_one_with_most_is_cut(
    master: Master, connect: Callable[[], Talker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "QUEUES_BYTES_MAX", 20_000_000)
    sizes = iter((9_000_000, 5_000_000, 8_000_000))
    master.reply = lambda _: [JobStored(JID, "f", "x" * next(sizes), "root", 1.0, (), False)]
    talkers = [connect() for _ in range(3)]
    for number, talker in enumerate(talkers):
        talker.ask(WatchJob(JID, False, True))
        master.turn_until(lambda n=number: len(master.asked) == n + 1)  # type: ignore[misc]
    talkers[0].wait_for_end()
    assert "too slowly" in talkers[0].last_word.text
    assert master.server.rejected == {"cli_slow": 1}
    assert len(master.server) == 2


@pytest.mark.covers("B-74")
def test_descriptors_passed_over_the_socket_are_not_taken(
    master: Master, connect: Callable[[], Talker]
) -> None:
    talker = connect()
    read_end, write_end = os.pipe()
    payload = frame(msgspec.msgpack.encode(ListJobs(limit=1)), bytes_max=1000)
    socket.send_fds(talker.socket, [payload], [write_end])
    os.close(write_end)
    talker.wait_for_replies(1)
    os.set_blocking(read_end, False)
    assert os.read(read_end, 1) == b""
    os.close(read_end)


@pytest.mark.covers("B-75", "C9")
def test_a_stale_socket_is_replaced_and_something_else_in_its_place_is_refused(
    make_master: Callable[..., Master],
) -> None:
    first = make_master()
    place = first.path
    first.server.close()
    assert not place.exists()
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(place))
    left.close()
    second = make_master()
    assert stat.S_IMODE(place.stat().st_mode) == 0o660
    talker = Talker(second)
    talker.ask(ListJobs(limit=1))
    talker.wait_for_replies(1)
    talker.socket.close()
    second.server.close()
    place.write_text("not a socket")
    with pytest.raises(UsageError, match="is in the way and is not a socket"):
        make_master()


CHILD = """
import os, socket, sys
os.setgroups([int(g) for g in sys.argv[5].split(",") if g])
os.setgid(int(sys.argv[4]))
os.setuid(int(sys.argv[3]))
s = socket.socket(socket.AF_UNIX); s.settimeout(20); s.connect(sys.argv[1])
s.sendall(bytes.fromhex(sys.argv[2]))
data = s.recv(65536)
sys.stdout.buffer.write(data)
"""


def _as_user(master: Master, uid: int, gid: int, groups: list[int]) -> AnyReply:
    """Ask as another user, in a process of its own, while the server turns."""
    master.path.parent.chmod(0o755)
    master.path.chmod(0o666)  # the check under test is the second one, by the user behind it
    request = frame(msgspec.msgpack.encode(ListJobs(limit=1)), bytes_max=1000).hex()
    line = [sys.executable, "-I", "-S", "-c", CHILD, str(master.path), request]
    line += [str(uid), str(gid), ",".join(map(str, groups))]
    with subprocess.Popen(line, stdout=subprocess.PIPE) as child:
        master.turn_until(lambda: child.poll() is not None)
        assert child.stdout is not None
        (payload,) = FrameReader(REPLY_BYTES_MAX).feed(child.stdout.read())
    reply: AnyReply = msgspec.msgpack.decode(payload, type=AnyReply)
    return reply


def _known_as(user: str, group_id: int = 4242) -> Lookup:
    return lambda _uid, _group: Names(user, group_id)


@ROOT_ONLY
def test_members_of_the_group_may_give_commands_and_are_named(
    make_master: Callable[..., Master],
) -> None:
    master = make_master(_known_as("alice"))
    assert _as_user(master, 12345, 12345, [777, 4242]) == Jobs(())
    assert (master.asked[0].uid, master.asked[0].user) == (12345, "alice")
    refused = _as_user(master, 12346, 12346, [777])
    assert isinstance(refused, Refused)
    assert refused.reason == "denied"
    assert "join the group no-such-group" in refused.text
    assert master.server.rejected == {"denied": 1}
    assert len(master.asked) == 1


@ROOT_ONLY
@pytest.mark.covers("B-76")
@pytest.mark.parametrize("uid, user", [(65534, "nobody"), (12345, "")], ids=["nobody", "no name"])
def test_nobody_and_users_without_a_name_are_denied(
    make_master: Callable[..., Master], uid: int, user: str
) -> None:
    master = make_master(_known_as(user))
    refused = _as_user(master, uid, 4242, [4242])
    assert isinstance(refused, Refused)
    assert refused.reason == "denied"
    assert master.asked == []


@ROOT_ONLY
@pytest.mark.covers("B-76")
def test_a_user_in_hundreds_of_groups_is_looked_up_instead(
    make_master: Callable[..., Master],
) -> None:
    many = list(range(5_000, 5_900))
    master = make_master(lambda _uid, _group: Names("bob", 4242, frozenset((4242,))))
    assert _as_user(master, 12345, 12345, many) == Jobs(())


@ROOT_ONLY
@pytest.mark.covers("B-76")
def test_a_user_database_that_hangs_denies_after_two_seconds_and_holds_nobody_up(
    make_master: Callable[..., Master],
) -> None:
    never = threading.Event()

    def hang(uid: int, _group: str) -> Names:
        if uid != 0:
            never.wait(30)
        return Names("root", 4242)

    master = make_master(hang)
    started = SystemClock().now().boot
    answers: list[AnyReply] = []
    talker = Talker(master)
    talker.ask(ListJobs(limit=1))
    talker.wait_for_replies(1)
    assert SystemClock().now().boot - started < 1.5, "root had to wait for somebody else"
    answers.append(_as_user(master, 12345, 4242, [4242]))
    never.set()
    talker.socket.close()
    (refused,) = answers
    assert isinstance(refused, Refused)
    assert refused.reason == "denied"
    assert master.server.rejected == {"nss_timeout": 1}
