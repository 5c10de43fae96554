"""The server of the Unix socket: many clients, each within its bounds, none able to hold others up.

    connect ─▶ who is it? ─▶ denied (one word, closed)
                  └─▶ admitted ─▶ request ─▶ `Asked` … `answer` … ─▶ `ClientGone`

One descriptor to poll stands for all of them (`fileno`). Nothing here waits, and what a request
means is not its business.
"""

import errno
import os
import select
import threading
from collections import Counter
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

from limpet.common.clock import FOREVER, Instant, Moment
from limpet.common.control.replies import Refused, Reply
from limpet.common.control.requests import Request
from limpet.common.errors import PeerError
from limpet.master.control import listener
from limpet.master.control.client_connection import REQUEST_S_MAX, Connection, connection_of
from limpet.master.control.decoding import decode_request
from limpet.master.control.peer_credentials import (
    LOOKUP_S_MAX,
    Caller,
    Lookup,
    UserDirectory,
    Verdict,
    caller_of,
    system_lookup,
)
from limpet.master.core.effects import Client

CLIENTS_MAX: Final = 64
CLIENTS_OF_ONE_MAX: Final = 8
"""Connections of one user; root and the master's own user may have them all."""
QUEUES_BYTES_MAX: Final = 128 * 1024 * 1024
"""What all clients together may leave unread; one alone has `client.QUEUE_BYTES_MAX`."""
REST_S: Final = 1.0
"""Pause in accepting when there are no descriptors left."""
_ACCEPTS_A_TURN: Final = 32
_EPOLL_EVENTS: Final = 128


@dataclass(frozen=True, slots=True)
class Asked:
    """A client that may give commands asks."""

    client: Client
    uid: int
    user: str
    request: Request


@dataclass(frozen=True, slots=True)
class ClientGone:
    """A client that had asked something has left, or was cut."""

    client: Client


class ControlServer:
    """Everything at the Unix socket of one master."""

    def __init__(self, path: Path, *, group: str, lookup: Lookup = system_lookup) -> None:
        """Open the socket. Raises `UsageError` and `HostError`."""
        self._path = path
        self._listener = listener.listen(path, group=group)
        self._inode = path.stat().st_ino
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._lock = threading.Lock()
        self._users = UserDirectory(group=group, wake=self._on_woken, lookup=lookup)
        self._poll = select.epoll()
        self._poll.register(self._listener, select.EPOLLIN)
        self._poll.register(self._wake, select.EPOLLIN)
        self._clients: dict[Client, Connection] = {}
        self._by_fd: dict[int, Connection] = {}
        self._answered: dict[Client, None] = {}
        self._numbers = count(1)
        self._own_uid = os.geteuid()
        self._rests_until = FOREVER
        self.rejected: Counter[str] = Counter()
        """What was turned away, by reason; the caller takes it and clears it."""

    def __len__(self) -> int:
        return len(self._clients)

    def fileno(self) -> int:
        """Give the descriptor that is readable when there is something to `collect`."""
        return self._poll.fileno()

    @property
    def next_deadline(self) -> Instant:
        """When `collect` is wanted even if nothing is readable."""
        soonest = min((c.deadline for c in self._clients.values()), default=FOREVER)
        return min(soonest, self._rests_until)

    def collect(self, now: Moment) -> list[Asked | ClientGone]:
        """Do what is due and give what was asked, a bounded part of it in each turn."""
        found: list[Asked | ClientGone] = []
        if now.boot >= self._rests_until:
            self._rests_until = FOREVER
            self._poll.modify(self._listener, select.EPOLLIN)
        for fd, events in self._poll.poll(0, _EPOLL_EVENTS):
            if fd == self._listener.fileno():
                self._accept(now)
            elif fd == self._wake:
                os.eventfd_read(self._wake)
            elif (connection := self._by_fd.get(fd)) is not None:
                self._serve(connection, events, now)
        for connection in list(self._clients.values()):
            self._admit(connection, now)
            self._next_request(connection, now, found)
            self._look(connection, now, found)
        return found

    def answer(self, client: Client, reply: Reply, now: Moment) -> None:
        """Tell a client something, with the next `flush`; one that has gone hears nothing."""
        connection = self._clients.get(client)
        if connection is None:
            return
        if not connection.say(reply):
            self.cut(client, now)
        self._answered[client] = None
        if not connection.has_room:
            self._bound_queues(now)

    def has_room(self, client: Client) -> bool:
        """Say whether a client has little left to read; one that is gone has nothing."""
        connection = self._clients.get(client)
        return connection is None or connection.has_room

    def cut(self, client: Client, now: Moment) -> None:
        """Cut a client off that reads too slowly; one that has gone is let be."""
        connection = self._clients.get(client)
        if connection is not None and not connection.is_ending:
            self.rejected["cli_slow"] += 1
            self._end(connection, "busy", "this client reads too slowly and was cut off", now)
            self._answered[client] = None

    def _bound_queues(self, now: Moment) -> None:
        """Cut the client that leaves most unread if all together leave too much."""
        if sum(c.link.queued_bytes for c in self._clients.values()) > QUEUES_BYTES_MAX:
            slowest = max(self._clients.values(), key=lambda c: c.link.queued_bytes)
            self.cut(slowest.client, now)

    def flush(self, now: Moment) -> None:
        """Write what was answered: to be called once at the end of each turn."""
        for client in self._answered:
            connection = self._clients.get(client)
            if connection is not None:
                connection.link.flush()
                connection.touch(now)
                self._set_poll(connection)
        self._answered.clear()

    def close(self) -> None:
        """Close everything, and take the socket's name away if it is still ours."""
        if self._poll.closed:
            return
        for connection in self._clients.values():
            connection.link.flush()
            connection.link.close()
        self._clients.clear()
        self._by_fd.clear()
        self._poll.close()
        self._listener.close()
        with self._lock:
            os.close(self._wake)
            self._wake = -1
        try:
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()
        except FileNotFoundError:
            return

    # -- coming -------------------------------------------------------------------------------

    def _accept(self, now: Moment) -> None:
        for _ in range(_ACCEPTS_A_TURN):
            try:
                accepted, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:  # no descriptors left, or the client was faster
                self.rejected["cli_accept"] += 1
                if error.errno in (errno.EMFILE, errno.ENFILE):
                    self._rest(now)
                return
            try:
                caller = caller_of(accepted)
            except OSError:
                accepted.close()
                continue
            connection = connection_of(Client(next(self._numbers)), accepted, caller)
            connection.deadline = now.after(REQUEST_S_MAX)
            crowd = self._crowd(caller)
            self._clients[connection.client] = connection
            self._by_fd[connection.link.fileno()] = connection
            self._poll.register(connection.link, 0)
            if crowd:
                self.rejected["cli_connections"] += 1
                self._end(connection, "busy", crowd, now)
            self._set_poll(connection)

    def _rest(self, now: Moment) -> None:
        """Leave the listener alone for a second: it stays readable, and the loop would spin."""
        self._poll.modify(self._listener, 0)
        self._rests_until = now.after(REST_S)

    def _crowd(self, caller: Caller) -> str:
        """Say why there is no room for one more connection of this user; empty: there is."""
        live = [c for c in self._clients.values() if not c.is_ending]
        if len(live) >= CLIENTS_MAX:
            return f"the master has {CLIENTS_MAX} clients already: try again in a moment"
        if caller.uid in (0, self._own_uid):
            return ""
        if sum(c.caller.uid == caller.uid for c in live) >= CLIENTS_OF_ONE_MAX:
            return f"you have {CLIENTS_OF_ONE_MAX} connections to the master already: end some"
        return ""

    def _admit(self, connection: Connection, now: Moment) -> None:
        if connection.is_admitted or connection.is_ending:
            return
        verdict = self._users.judge(connection.caller, now)
        if verdict is None:
            connection.deadline = min(connection.deadline, now.after(LOOKUP_S_MAX))
        elif verdict.is_allowed:
            self._let_in(connection, verdict, now)
        else:
            self.rejected[verdict.reason] += 1
            self._end(connection, "denied", verdict.text, now)

    def _let_in(self, connection: Connection, verdict: Verdict, now: Moment) -> None:
        connection.is_admitted = True
        connection.user = verdict.user
        connection.deadline = now.after(REQUEST_S_MAX)
        self._set_poll(connection)

    # -- talking ------------------------------------------------------------------------------

    def _serve(self, connection: Connection, events: int, now: Moment) -> None:
        link = connection.link
        link.flush()
        if events & (select.EPOLLHUP | select.EPOLLERR) and not events & select.EPOLLIN:
            link.close()  # gone, and nobody is there to read what waits
        elif connection.wants_read:
            try:
                connection.backlog.extend(link.receive(reads_max=1))
            except PeerError as error:
                self.rejected["cli_bad_request"] += 1
                text = f"this is not a request to the master: {error}"
                self._end(connection, "usage", text, now)
        connection.touch(now)

    def _next_request(
        self, connection: Connection, now: Moment, found: list[Asked | ClientGone]
    ) -> None:
        """Take the next request up if the one before has been answered."""
        if connection.request is not None or connection.is_ending or not connection.backlog:
            return
        connection.has_asked = True
        try:
            request = decode_request(connection.backlog.popleft())
        except PeerError as error:
            self.rejected[error.reason] += 1
            connection.say(Refused("usage", str(error)))
            connection.touch(now)
            self._answered[connection.client] = None
            return
        connection.request = request
        connection.touch(now)
        found.append(Asked(connection.client, connection.caller.uid, connection.user, request))

    def _look(self, connection: Connection, now: Moment, found: list[Asked | ClientGone]) -> None:
        """Let go of what is over, cut what is late."""
        link = connection.link
        if not link.is_closed and link.wants_write and now.boot >= connection.deadline:
            link.flush()  # the kernel says that there is room only once most has been read
            connection.touch(now)
        if not link.is_closed and now.boot >= connection.deadline:
            if connection.is_ending:
                link.close()
            elif link.wants_write:
                self.rejected["cli_slow"] += 1
                self._end(connection, "busy", "this client does not read and was cut off", now)
            elif connection.is_admitted and not connection.backlog:
                self.rejected["cli_idle"] += 1
                self._end(connection, "usage", "no whole request came in time", now)
        if link.is_closed or (connection.is_ending and not link.wants_write):
            self._drop(connection)
            if connection.has_asked:
                found.append(ClientGone(connection.client))
        else:
            self._set_poll(connection)

    def _end(self, connection: Connection, reason: str, text: str, now: Moment) -> None:
        word: Refused = Refused(reason, text)  # type: ignore[arg-type]
        connection.end(word, now)

    def _drop(self, connection: Connection) -> None:
        fd = connection.link.fileno()
        if self._by_fd.pop(fd, None) is not None:
            self._poll.unregister(fd)
        connection.link.close()
        del self._clients[connection.client]

    def _set_poll(self, connection: Connection) -> None:
        """Wait for what the connection needs now; a client that does not read is not read."""
        wanted = select.EPOLLOUT if connection.link.wants_write else 0
        if connection.wants_read:
            wanted = select.EPOLLIN
        if connection.link.is_closed or wanted == connection.polled:
            return
        connection.polled = wanted
        self._poll.modify(connection.link.fileno(), wanted)

    def _on_woken(self) -> None:
        """Turn the loop: a user became known (called in another thread)."""
        with self._lock:
            if self._wake >= 0:
                os.eventfd_write(self._wake, 1)
