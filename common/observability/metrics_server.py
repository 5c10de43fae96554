"""`GET /metrics`, answered by a thread of its own with the page that the loop handed over last.

    listening ─ connect ─▶ reading ─ whole request ─▶ writing ─ all written ─▶ closed
                              └─ 5 s, 8 KiB, or one client too many ─▶ closed

The loop never waits for it, and it never waits for the loop. A port that is taken is tried again.
Clients are few and bounded; when one too many comes, the oldest has to go, so that somebody who
opens connections and says nothing keeps nobody out.
"""

import errno
import os
import select
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from limpet.common.observability.metrics import CONTENT_TYPE

CLIENTS_MAX: Final = 16
CLIENT_S: Final = 5.0
"""From connecting to the last byte."""
REQUEST_BYTES_MAX: Final = 8 * 1024
BACKLOG: Final = 32
BIND_AGAIN_S: Final = 10.0
"""Pause before a port that somebody else holds is tried again."""
REST_S: Final = 1.0
"""Pause in accepting when there are no descriptors left."""

Address = tuple[str, int]


class MetricsServer:
    """One open port, or the attempts to open it."""

    def __init__(
        self,
        address: Address,
        *,
        tell: Callable[[str], None],
        bind_again_s: float = BIND_AGAIN_S,
        client_s: float = CLIENT_S,
    ) -> None:
        """Start the thread. `tell` is called in it with what ails the port, and '' when it is open.

        `address`: numeric host and port.
        """
        self.address = address
        self.port = 0
        """The port that is open; 0: none is, yet."""
        self._tell = tell
        self._bind_again_s = bind_again_s
        self._client_s = client_s
        self._page = b""
        self._listener: socket.socket | None = None
        self._clients: OrderedDict[int, _Client] = OrderedDict()
        self._accepts_from = 0.0
        self._is_closing = False
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)
        self._thread.start()

    def publish(self, page: bytes) -> None:
        """Hand over what is served from now on; costs an assignment."""
        self._page = page

    def close(self, *, within_s: float = 1.0) -> None:
        """End the thread and close all connections. A second call does nothing."""
        if self._is_closing:
            return
        self._is_closing = True
        os.eventfd_write(self._wake, 1)
        self._thread.join(within_s)
        if not self._thread.is_alive():
            os.close(self._wake)

    # -- in the thread ------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._is_closing:
            if self._listener is None:
                self._open()
            self._turn()
        for client in list(self._clients.values()):
            self._drop(client)
        if self._listener is not None:
            self._listener.close()

    def _open(self) -> None:
        host, port = self.address
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = None
        try:
            listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind((host, port))
            listener.listen(BACKLOG)
            listener.setblocking(False)
        except OSError as error:
            if listener is not None:
                listener.close()
            reason = error.strerror or str(error)
            self._tell(f"metrics can't be served at {shown(self.address)}: {reason}")
            return
        self._listener = listener
        self.port = listener.getsockname()[1]
        self._tell("")

    def _turn(self) -> None:
        """Wait for something to happen, and serve it."""
        now = time.monotonic()
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        first = now + (self._bind_again_s if self._listener is None else 60.0)
        if self._listener is not None and now >= self._accepts_from:
            poll.register(self._listener, select.POLLIN)
        elif self._listener is not None:
            first = min(first, self._accepts_from)
        for client in self._clients.values():
            poll.register(client.socket, select.POLLOUT if client.is_answered else select.POLLIN)
            first = min(first, client.until)
        ready = poll.poll(max(0.0, first - now) * 1000 + 1)
        for fd, _events in ready:
            if self._listener is not None and fd == self._listener.fileno():
                self._accept()
            elif (found := self._clients.get(fd)) is not None and not found.serve(self._page):
                self._drop(found)
        now = time.monotonic()
        for client in list(self._clients.values()):
            if now >= client.until:
                self._drop(client)

    def _accept(self) -> None:
        assert self._listener is not None
        for _ in range(BACKLOG):
            try:
                connection, _address = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    self._accepts_from = time.monotonic() + REST_S
                    return
                continue  # it left before it was let in
            connection.setblocking(False)
            if len(self._clients) >= CLIENTS_MAX:
                self._drop(next(iter(self._clients.values())))
            client = _Client(connection, time.monotonic() + self._client_s)
            self._clients[connection.fileno()] = client

    def _drop(self, client: "_Client") -> None:
        del self._clients[client.socket.fileno()]
        client.socket.close()


class _Client:
    """One connection: its request, then what is left of its answer."""

    def __init__(self, connection: socket.socket, until: float) -> None:
        self.socket = connection
        self.until = until
        self.is_answered = False
        self._request = b""
        self._answer = memoryview(b"")

    def serve(self, page: bytes) -> bool:
        """Read, or write, what is possible without waiting; False: it is over."""
        try:
            if not self.is_answered:
                data = self.socket.recv(4096)
                if not data:
                    return False
                self._request += data
                if b"\r\n\r\n" not in self._request and b"\n\n" not in self._request:
                    return len(self._request) <= REQUEST_BYTES_MAX
                self._answer = memoryview(answer_to(self._request, page))
                self.is_answered = True
            self._answer = self._answer[self.socket.send(self._answer) :]
            if self._answer:
                return True
            self.socket.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False


def answer_to(request: bytes, page: bytes) -> bytes:
    """Give the whole answer to a request: the page, or what is wrong."""
    words = request.split(b"\n", 1)[0].split()
    if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
        return _answer("400 Bad Request", b"this is not HTTP/1\n")
    method, target = words[0], words[1].split(b"?", 1)[0]
    if target != b"/metrics":
        return _answer("404 Not Found", b"the metrics are at /metrics\n")
    if method not in (b"GET", b"HEAD"):
        return _answer("405 Method Not Allowed", b"use GET\n", "Allow: GET, HEAD\r\n")
    if not page:
        return _answer("503 Service Unavailable", b"there are no figures yet\n")
    whole = _answer("200 OK", page)
    return whole if method == b"GET" else whole[: len(whole) - len(page)]


def _answer(status: str, body: bytes, more: str = "") -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\n"
        f"{more}Connection: close\r\n\r\n"
    )
    return head.encode("ascii") + body


def shown(address: Address) -> str:
    """Give an address as people write it."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
