"""A TCP relay between a minion and a listening port that a test can stall, spoil and cut."""

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Self

Spoil = Callable[[bytes, int], bytes]
"""Given a piece and how many bytes went before it on this connection: what to pass on instead."""


def as_it_is(piece: bytes, before: int) -> bytes:
    """Pass everything on."""
    return piece


class Relay:
    """Relays connections to a port of 127.0.0.1 in threads of its own."""

    def __init__(self, port: int, *, to_listener: Spoil = as_it_is) -> None:
        self._target = port
        self._to_listener = to_listener
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._is_closed = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def cut(self) -> None:
        """End all connections."""
        for end in self._sockets:
            with contextlib.suppress(OSError):  # it may have ended by itself
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End the relay, its connections and its threads."""
        self._is_closed = True
        self._threads[0].join()
        self.cut()
        for thread in self._threads:
            thread.join()
        for end in self._sockets:
            end.close()
        self._listener.close()

    def _start(self, what: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=what, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._is_closed:
            try:
                near, _ = self._listener.accept()
            except TimeoutError:
                continue
            near.settimeout(None)
            far = socket.create_connection(("127.0.0.1", self._target))
            self._sockets += [near, far]
            self._start(self._pump, near, far, self._to_listener)
            self._start(self._pump, far, near, as_it_is)

    def _pump(self, source: socket.socket, sink: socket.socket, spoil: Spoil) -> None:
        before = 0
        with contextlib.suppress(OSError):  # either end may be cut at any moment
            while piece := source.recv(65536):
                sink.sendall(spoil(piece, before))
                before += len(piece)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


class BlackHole:
    """A port that lets TCP connect and never says a word."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
