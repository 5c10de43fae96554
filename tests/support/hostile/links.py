"""Small builders for tests on real sockets: a listening end with its authenticator, and minions."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from limpet.common.identifiers import MinionKey
from limpet.common.transport.authenticator import RENEW_FROM
from limpet.common.transport.events import Arrival, LinkEvent, RouterEvent
from limpet.common.transport.sockets import (
    Authenticator,
    BadArrival,
    Context,
    DealerSocket,
    Poller,
    RouterSocket,
    make_keypair,
)

HANDSHAKE_S = 3.0
DOMAIN = "main"


def admit_all(key: bytes, address: str) -> bool:
    """An admission rule that lets every key in."""
    return True


@dataclass
class Listener:
    """A router on a free port of 127.0.0.1, with all that it needs."""

    context: Context
    authenticator: Authenticator
    router: RouterSocket
    port: int
    public_key: bytes
    arrivals: list[Arrival] = field(default_factory=list)
    bad: list[BadArrival] = field(default_factory=list)
    events: list[RouterEvent] = field(default_factory=list)

    def turn(self, within_s: float = 0.05) -> None:
        """Go once around the loop: let peers in, read what is there, keep it in the lists."""
        poller = Poller()
        poller.register(self.router)
        poller.register(self.authenticator)
        poller.wait(within_s)
        self.authenticator.serve()
        self.events += self.router.events()
        for _ in range(1000):
            try:
                arrival = self.router.receive_ready()
            except BadArrival as error:
                self.bad.append(error)
                continue
            if arrival is None:
                break
            self.arrivals.append(arrival)

    def turn_until(self, is_done: Callable[[], object], within_s: float = 10.0) -> bool:
        """Go round until `is_done()`; False if it is not within the time."""
        deadline = time.monotonic() + within_s
        while not is_done():
            if time.monotonic() > deadline:
                return False
            self.turn()
        return True

    def close(self) -> None:
        """Close everything."""
        self.router.close()
        self.authenticator.close()
        assert self.context.close()


@contextmanager
def listener(
    admit: Callable[[bytes, str], bool] = admit_all,
    *,
    frame_bytes_max: int = 256 * 1024,
    high_water: int = 100,
    handshake_s: float = HANDSHAKE_S,
    small_buffers: bool = False,
    addresses: tuple[str, ...] = ("127.0.0.1",),
    keypair: tuple[bytes, bytes] | None = None,
    renew_from: int = RENEW_FROM,
) -> Iterator[Listener]:
    """Give a listening end that is closed afterwards."""
    public_key, secret_key = keypair or make_keypair()
    context = Context(burn=True)
    authenticator = Authenticator(context, {DOMAIN: admit}, renew_from=renew_from)
    router = RouterSocket(
        context,
        secret_key=secret_key,
        domain=DOMAIN,
        frame_bytes_max=frame_bytes_max,
        backlog=1024,
        high_water=high_water,
        handshake_s=handshake_s,
        small_buffers=small_buffers,
    )
    port = router.bind(addresses, 0)
    listening = Listener(context, authenticator, router, port, public_key)
    try:
        yield listening
    finally:
        listening.close()


@dataclass
class Caller:
    """A minion's end: its key and its one socket."""

    socket: DealerSocket
    public_key: bytes
    events: list[LinkEvent] = field(default_factory=list)

    @property
    def key(self) -> MinionKey:
        """The key as the other end is told it."""
        return MinionKey(self.public_key.hex())

    def has(self, event: LinkEvent) -> bool:
        """Say whether this has happened to the socket."""
        self.events += self.socket.events()
        return event in self.events


def caller(
    context: Context,
    port: int,
    server_key: bytes,
    *,
    keypair: tuple[bytes, bytes] | None = None,
    address: str = "127.0.0.1",
    frame_bytes_max: int = 1024 * 1024,
    handshake_s: float = HANDSHAKE_S,
) -> Caller:
    """Make a minion's socket that begins to connect."""
    public_key, secret_key = keypair or make_keypair()
    socket = DealerSocket(
        context,
        address=address,
        port=port,
        server_key=server_key,
        public_key=public_key,
        secret_key=secret_key,
        frame_bytes_max=frame_bytes_max,
        handshake_s=handshake_s,
    )
    return Caller(socket, public_key)


@contextmanager
def connected(listening: Listener, context: Context) -> Iterator[Caller]:
    """Give a minion whose handshake with the listener is done."""
    calling = caller(context, listening.port, listening.public_key)
    try:
        assert listening.turn_until(lambda: calling.has("ready")), calling.events
        yield calling
    finally:
        calling.socket.close()
