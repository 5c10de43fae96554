"""The answering side of the minion's Unix socket, in the loop of the link.

Only root and the minion's own user may connect (mode 0600, and the kernel's word on who they are).
Everything is bounded: clients, frames, the time for a request, what waits to be read.
"""

import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from limpet.common.clock import FOREVER, Instant, Moment
from limpet.common.control.framing import REQUEST_BYTES_MAX, FramedSocket, frame
from limpet.common.errors import PeerError
from limpet.common.service.socket_names import reachable
from limpet.common.storage.files import host_error, make_directory
from limpet.minion.control.connections import peer_of
from limpet.minion.control.messages import (
    LOCAL_REPLY_BYTES_MAX,
    AnyLocalReply,
    AnyLocalRequest,
    LocalFile,
    LocalRefused,
    LocalStored,
)

CLIENTS_MAX: Final = 64
REQUEST_S: Final = 10.0
"""How long a client may take from connecting to the end of its request, and between requests."""
ACCEPTS_MAX: Final = 16
"""New clients taken in one turn of the loop."""

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final[msgspec.msgpack.Decoder[AnyLocalRequest]] = msgspec.msgpack.Decoder(AnyLocalRequest)


@dataclass(frozen=True, slots=True)
class LocalRequest:
    """A client asks; answer with `LocalServer.answer(client, …)`."""

    client: int
    request: AnyLocalRequest


@dataclass(frozen=True, slots=True)
class LocalGone:
    """A client that waited for its answer has left."""

    client: int


class _Client:
    """One connection."""

    def __init__(self, number: int, connection: socket.socket, give_up: Instant) -> None:
        self.number = number
        self.connection = connection
        self.framed = FramedSocket(
            connection,
            read_bytes_max=REQUEST_BYTES_MAX,
            write_bytes_max=LOCAL_REPLY_BYTES_MAX,
            queue_bytes_max=2 * LOCAL_REPLY_BYTES_MAX,
        )
        self.give_up: Instant = give_up
        """Until when it must have asked; FOREVER while it waits for an answer."""
        self.is_waiting = False
        self.is_last = False
        """Close when all is sent."""


class LocalServer:
    """The socket of one running minion."""

    def __init__(self, path: Path) -> None:
        """Listen, replacing a socket that an earlier run left. Raises `HostError`.

        The minion's lock on its state directory has to be held: it is what keeps two apart.
        """
        self._path = path
        self._clients: dict[int, _Client] = {}
        self._numbers = 0
        make_directory(path.parent)
        new = path.with_name(f".{path.name}.{os.getpid()}")
        self._listener = socket.socket(
            socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        )
        try:
            new.unlink(missing_ok=True)
            with reachable(new) as name:
                self._listener.bind(name)
            new.chmod(0o600)
            self._listener.listen(CLIENTS_MAX)
            new.rename(path)
            self._inode = path.lstat().st_ino
        except OSError as error:
            self._listener.close()
            raise host_error("listen on", path, error) from error

    @property
    def next_deadline(self) -> Instant:
        """Say when `collect` is wanted even if nothing comes."""
        return min((client.give_up for client in self._clients.values()), default=FOREVER)

    def filenos(self) -> tuple[int, ...]:
        """Give what to poll for reading."""
        connections = (client.framed.fileno() for client in self._clients.values())
        return (self._listener.fileno(), *connections)

    def wants_write(self) -> tuple[int, ...]:
        """Give what to poll for writing as well."""
        return tuple(
            client.framed.fileno() for client in self._clients.values() if client.framed.wants_write
        )

    def collect(self, now: Moment) -> list[LocalRequest | LocalGone]:
        """Accept, read, write and time out; give what is asked and who has left."""
        self._accept(now)
        events: list[LocalRequest | LocalGone] = []
        for client in list(self._clients.values()):
            client.framed.flush()
            events += self._hear(client)
            is_done = client.is_last and not client.framed.wants_write
            if client.framed.is_closed or is_done or now.boot >= client.give_up:
                self._drop(client)
                if client.is_waiting:
                    events.append(LocalGone(client.number))
            elif client.give_up is FOREVER and not client.is_waiting:
                client.give_up = now.after(REQUEST_S)
        return events

    def answer(self, client: int, reply: AnyLocalReply, descriptor: int | None = None) -> None:
        """Send a reply, and the open file with it where there is one (closed here in any case).

        A client that has gone, or does not read, gets nothing. `LocalStored` is not the last reply.
        """
        found = self._clients.get(client)
        try:
            if found is None or found.framed.is_closed:
                return
            if not isinstance(reply, LocalStored):
                found.is_waiting = False
            if descriptor is not None:
                self._pass(found, descriptor)
            if not found.framed.send(_encoder.encode(reply)):
                found.framed.close()
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def close(self) -> None:
        """Close all connections and remove the socket, if it is still this one."""
        for client in list(self._clients.values()):
            self._drop(client)
        self._listener.close()
        with suppress(OSError):  # another minion's, or gone: not ours to remove
            if self._path.lstat().st_ino == self._inode:
                self._path.unlink()

    def _accept(self, now: Moment) -> None:
        for _ in range(ACCEPTS_MAX):
            try:
                connection, _address = self._listener.accept()
            except OSError:
                return  # nobody waits, one has left already, or descriptors ran out: next turn
            if len(self._clients) >= CLIENTS_MAX:
                connection.close()
                continue
            self._numbers += 1
            client = _Client(self._numbers, connection, now.after(REQUEST_S))
            self._clients[client.number] = client
            uid = peer_of(connection).uid
            if uid not in (0, os.geteuid()):
                self._refuse(client, "failed", f"uid {uid} may not use this socket; use sudo")

    def _hear(self, client: _Client) -> list[LocalRequest | LocalGone]:
        if client.is_last:
            return []
        try:
            payloads = client.framed.receive(reads_max=1)
            if not payloads:
                return []
            if client.is_waiting or len(payloads) > 1:
                self._refuse(client, "usage", "one request at a time on a connection")
                return []
            request = _decoder.decode(payloads[0])
        except (PeerError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._refuse(client, "usage", f"not a request: {error}")
            return []
        client.is_waiting = True
        client.give_up = FOREVER
        return [LocalRequest(client.number, request)]

    def _refuse(self, client: _Client, reason: str, text: str) -> None:
        reply = LocalRefused("usage" if reason == "usage" else "failed", text)
        client.framed.send(_encoder.encode(reply))
        client.is_last = True

    def _pass(self, client: _Client, descriptor: int) -> None:
        """Send the open file with a small frame of its own, ahead of its reply."""
        data = frame(_encoder.encode(LocalFile()), bytes_max=LOCAL_REPLY_BYTES_MAX)
        try:
            sent = 0 if client.framed.wants_write else _send_file(client, data, descriptor)
        except OSError:
            sent = 0
        if sent != len(data):
            client.framed.close()  # it does not read what came before

    def _drop(self, client: _Client) -> None:
        del self._clients[client.number]
        client.framed.close()


def _send_file(client: _Client, data: bytes, descriptor: int) -> int:
    return socket.send_fds(client.connection, [data], [descriptor])
