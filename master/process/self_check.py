"""The master logs in at its own main port now and then, to see whether anybody still can.

    idle ─ every 10 s ─▶ probing ─ ready ─▶ idle
                            └─ denied, or TCP stands for 5 s and nobody else is served
                                    ─▶ failed ─ twice ─▶ `is_failed`

Where not even TCP gets through (a packet filter, an address that went away) nothing is judged: that
is not the authenticator's doing. A port that is busy with the logins of others is known to work,
and is not judged by a slow login of our own.
"""

from collections.abc import Sequence
from typing import Final

from limpet.common.clock import Instant, Moment
from limpet.common.errors import HostError
from limpet.common.transport.sockets import Context, DealerSocket, make_keypair

INTERVAL_S: Final = 10.0
PATIENCE_S: Final = 5.0
FAILURES_MAX: Final = 2
"""So many in a row mean that the process has to be started afresh: within 30 s of the fault."""
_LOOK_S: Final = 0.1
_FRAME_BYTES: Final = 1024


class SelfCheck:
    """Asked in every turn of the loop; never waits."""

    def __init__(
        self, context: Context, *, addresses: Sequence[str], port: int, server_key: bytes
    ) -> None:
        """Begin idle. `key` is the one to be let in."""
        self.key, self._secret = make_keypair()
        self.failures = 0
        """Logins in a row that did not work."""
        self.passed = 0
        """Logins that worked."""
        self.next_deadline = Instant(0.0)
        self._context = context
        self._address = reachable(addresses)
        self.port = port
        self._server_key = server_key
        self._dealer: DealerSocket | None = None
        self._give_up_at = Instant(0.0)
        self._others_served = 0
        self._is_connected = False

    @property
    def is_failed(self) -> bool:
        """Say whether nobody can log in any more."""
        return self.failures >= FAILURES_MAX

    def on_handshakes(self, served: int) -> None:
        """Take note of logins that were answered (our own among them)."""
        self._others_served += served

    def step(self, now: Moment) -> None:
        """Do what is due."""
        if now.boot < self.next_deadline:
            return
        if self._dealer is None:
            self._begin(now)
            return
        self.next_deadline = now.after(_LOOK_S)
        happened = self._dealer.events()
        self._is_connected |= "connected" in happened
        if "ready" in happened:
            self.failures = 0
            self.passed += 1
            self._end(now)
        elif "denied" in happened or now.boot >= self._give_up_at:
            is_ignored = self._is_connected and self._others_served <= 1
            self.failures += int("denied" in happened or is_ignored)
            self._end(now)

    def close(self) -> None:
        """Close the socket, if there is one."""
        if self._dealer is not None:
            self._dealer.close()
            self._dealer = None

    def _begin(self, now: Moment) -> None:
        self._others_served = 0
        self._is_connected = False
        self._give_up_at = now.after(PATIENCE_S)
        self.next_deadline = now.after(_LOOK_S)
        try:
            self._dealer = DealerSocket(
                self._context,
                address=self._address,
                port=self.port,
                server_key=self._server_key,
                public_key=self.key,
                secret_key=self._secret,
                frame_bytes_max=_FRAME_BYTES,
                handshake_s=PATIENCE_S,
            )
        except HostError:
            # No descriptor is left for a look at the port. That passes: idle connections are cut.
            self.next_deadline = now.after(INTERVAL_S)

    def _end(self, now: Moment) -> None:
        self.close()
        self.next_deadline = now.after(INTERVAL_S)


def reachable(addresses: Sequence[str]) -> str:
    """Give an address at which this host reaches what listens on the first of these."""
    # Either wildcard serves IPv4, which loopback has even where IPv6 is switched off.
    loopbacks = {"0.0.0.0": "127.0.0.1", "::": "127.0.0.1"}  # noqa: S104 - what is listened on
    return loopbacks.get(addresses[0], addresses[0])
