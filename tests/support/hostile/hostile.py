"""A peer that speaks ZMTP by hand: greetings of all kinds, CURVE with any claim, broken frames.

Plain blocking sockets with a deadline on every call. What it does beyond the protocol is chosen by
the test, step by step.
"""

import contextlib
import secrets
import socket
import struct
import time
from collections.abc import Mapping
from typing import Self

from support.pages import curve

GREETING_CURVE = b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"CURVE".ljust(20, b"\0") + bytes(32)
GREETING_NULL = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
GREETING_PLAIN = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"PLAIN".ljust(20, b"\0") + bytes(32)
GREETING_ZMTP_2 = b"\xff" + bytes(8) + b"\x7f\x01\x05" + b"\x00\x00"
GREETING_ZMTP_1 = b"\x01\x00"


def plug_from(address: str, port: int, *, within_s: float = 10.0) -> socket.socket:
    """Connect to a port of ours on 127.0.0.1 from a local address, to hold the place.

    A connection over a limit may be up and ended before its maker has looked: a connect with a
    time-out tells that as EPIPE or ECONNRESET (Linux: ``tcp_reset``), and it is no failure here.

    Raises:
        TimeoutError: Nobody accepted it within so many seconds.
        OSError: The port refuses, or this host has no such address.
    """
    made = socket.socket()
    try:
        made.settimeout(within_s)
        made.bind((address, 0))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            made.connect(("127.0.0.1", port))
    except OSError:
        made.close()
        raise
    return made


class HostilePeer:
    """One TCP connection to a listening port of ours."""

    def __init__(self, port: int, *, within_s: float = 10.0) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=within_s)
        self._within_s = within_s
        self._received = bytearray()
        self._counter = 0
        self._message_key = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send bytes as they are. OSError if the connection is cut."""
        self._socket.sendall(data)

    def wait_for_end(self, within_s: float) -> float | None:
        """Wait until the other end cuts the connection; gives the seconds, None if it does not."""
        started = time.monotonic()
        deadline = started + within_s
        while (remaining_s := deadline - time.monotonic()) > 0:
            self._socket.settimeout(remaining_s)
            try:
                if not self._socket.recv(65536):
                    return time.monotonic() - started
            except TimeoutError:
                return None
            except OSError:
                return time.monotonic() - started
        return None

    def read(self, size: int) -> bytes:
        """Read exactly so much. OSError at the end of the connection or of the time."""
        while len(self._received) < size:
            self._socket.settimeout(self._within_s)
            piece = self._socket.recv(65536)
            if not piece:
                raise ConnectionResetError("the other end closed the connection")
            self._received += piece
        taken = bytes(self._received[:size])
        del self._received[:size]
        return taken

    def read_frame(self) -> bytes:
        """Read the body of one ZMTP frame."""
        flags = self.read(1)[0]
        size = struct.unpack(">Q", self.read(8))[0] if flags & 2 else self.read(1)[0]
        return self.read(size)

    # ---- CURVE, step by step

    def greet(self) -> None:
        """Exchange greetings."""
        self.send(GREETING_CURVE)
        self.read(64)

    def hello(self, server_key: bytes) -> None:
        """Send a genuine HELLO."""
        self._server_key = server_key
        self._transient_public, self._transient_secret = curve.make_keypair()
        nonce = self._next_nonce()
        key = curve.shared_key(server_key, self._transient_secret)
        signature = curve.seal(bytes(64), b"CurveZMQHELLO---" + nonce, key)
        self.send_command(b"\5HELLO\1\0" + bytes(72) + self._transient_public + nonce + signature)

    def initiate(
        self,
        public_key: bytes,
        secret_key: bytes,
        metadata: Mapping[str, bytes] | None = None,
        *,
        of_small_order: bool = False,
    ) -> None:
        """Read the WELCOME and send an INITIATE with any claims in its metadata.

        What is shared with a key of small order is the same for every secret, so that whoever
        claims one can prove it: say `of_small_order` for such a public key.
        """
        welcome = self.read_frame()
        assert welcome.startswith(b"\7WELCOME"), welcome[:20]
        key = curve.shared_key(self._server_key, self._transient_secret)
        opened = curve.open_box(welcome[24:], b"WELCOME-" + welcome[8:24], key)
        server_transient, cookie = opened[:32], opened[32:]
        self._message_key = curve.shared_key(server_transient, self._transient_secret)
        vouch_nonce = secrets.token_bytes(16)
        vouch = curve.seal(
            self._transient_public + self._server_key,
            b"VOUCH---" + vouch_nonce,
            curve.shared_key(public_key if of_small_order else server_transient, secret_key),
        )
        properties = {"Socket-Type": b"DEALER", "Identity": b"", **(metadata or {})}
        claims = b"".join(
            bytes((len(name),)) + name.encode() + struct.pack(">I", len(value)) + value
            for name, value in properties.items()
        )
        nonce = self._next_nonce()
        box = curve.seal(
            public_key + vouch_nonce + vouch + claims,
            b"CurveZMQINITIATE" + nonce,
            self._message_key,
        )
        self.send_command(b"\x08INITIATE" + cookie + nonce + box)

    def log_in(
        self,
        server_key: bytes,
        keypair: tuple[bytes, bytes] | None = None,
        metadata: Mapping[str, bytes] | None = None,
    ) -> None:
        """Begin a whole handshake; `read_frame` then gives READY or ERROR."""
        public_key, secret_key = keypair or curve.make_keypair()
        self.greet()
        self.hello(server_key)
        self.initiate(public_key, secret_key, metadata)

    def message(self, payload: bytes, *, more: bool = False, nonce: bytes | None = None) -> bytes:
        """Build the bytes of one part, encrypted; send them once, twice, changed, or not."""
        nonce = nonce or self._next_nonce()
        flags = b"\1" if more else b"\0"
        box = curve.seal(flags + payload, b"CurveZMQMESSAGEC" + nonce, self._message_key)
        return _framed(0, b"\7MESSAGE" + nonce + box)

    def send_command(self, body: bytes) -> None:
        """Send a ZMTP command."""
        self.send(_framed(4, body))

    def _next_nonce(self) -> bytes:
        self._counter += 1
        return struct.pack(">Q", self._counter)


def _framed(flags: int, body: bytes) -> bytes:
    if len(body) < 256:
        return bytes((flags, len(body))) + body
    return bytes((flags | 2,)) + struct.pack(">Q", len(body)) + body
