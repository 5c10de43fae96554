"""The sockets of master and minion; those of the master come from `listening.py`.

No call in here can wait without a deadline. Frames are bytes: what they mean is the business of
`limpet.common.wire`. One thread owns a socket from its making to its end. None of this survives a
fork.
"""

from limpet.common.errors import HostError, PeerError
from limpet.common.transport import endpoints, monitor, options, raw
from limpet.common.transport.authenticator import Authenticator
from limpet.common.transport.context import Context
from limpet.common.transport.errors import BadArrival, FrameTooLarge, PeerFull, PeerGone
from limpet.common.transport.events import Arrival, LinkEvent
from limpet.common.transport.listening import RouterSocket
from limpet.common.transport.polling import Poller
from limpet.common.transport.raw import check_library, make_keypair, public_key_of
from limpet.common.transport.waiting import wait_for

# What a caller of these sockets catches and is given stands here as well, so one import will do.
__all__ = ["Arrival", "Authenticator", "BadArrival", "Context", "DealerSocket", "FrameTooLarge"]
__all__ += ["PeerFull", "PeerGone", "Poller", "RouterSocket"]
__all__ += ["check_library", "make_keypair", "public_key_of"]


class DealerSocket(raw.MonitoredSocket):
    """A minion's one connection to a master: for one attempt, thrown away after any failure."""

    def __init__(
        self,
        context: Context,
        *,
        address: str,
        port: int,
        server_key: bytes,
        public_key: bytes,
        secret_key: bytes,
        frame_bytes_max: int,
        handshake_s: float,
        send_bytes_max: int | None = None,
        high_water: int = options.HIGH_WATER,
    ) -> None:
        """Begin to connect to a numeric address. `frame_bytes_max` is for what comes in.

        Raises `UsageError` for an address that is none, `HostError` where no socket can be had.
        """
        endpoint = endpoints.endpoint(address, port)
        table = options.dealer(
            frame_bytes_max=frame_bytes_max,
            handshake_s=handshake_s,
            high_water=high_water,
            address=address,
            server_key=server_key,
            public_key=public_key,
            secret_key=secret_key,
        )
        self._send_bytes_max = send_bytes_max
        self._story = monitor.LinkStory()
        self._raw = raw.RawSocket(context.raw, raw.DEALER, table)
        try:
            self._monitor = raw.Monitor(context.raw, self._raw, monitor.DEALER_EVENTS)
        except HostError:
            self._raw.close()
            raise
        try:
            self._raw.connect(endpoint)
        except OSError as error:
            self.close()
            raise HostError(f"cannot connect to {address}: {error.strerror}") from error

    def send(self, frame: bytes) -> bool:
        """Hand a frame over without waiting; False if it was not taken: not connected, or full.

        Raises `FrameTooLarge` for a frame over `send_bytes_max`.
        """
        if self._send_bytes_max is not None and len(frame) > self._send_bytes_max:
            raise FrameTooLarge(len(frame), self._send_bytes_max)
        return self._raw.send(frame)

    def receive(self, within_s: float, waited_for: str) -> bytes:
        """Wait for one frame.

        Raises `Stalled`, naming what was waited for, at the deadline, and `PeerError` with the
        reason `parts` for a message of several parts (then throw the socket away).
        """
        return wait_for(self.receive_ready, self._raw.wait, within_s, waited_for)

    def receive_ready(self) -> bytes | None:
        """Give a frame if one is there. Raises `PeerError` as `receive` does."""
        if self._must_drain and self._has_more_to_drain():
            return None
        raw = self._raw
        # To ask takes half as long as to read in vain: a second frame seldom follows the first.
        if not raw.is_empty and not raw.has_waiting():
            return None
        part = raw.receive()
        if part is None:
            return None
        if part.more:
            self._drain()
            raise PeerError("parts", "the master sent a message of more than one part")
        return part.bytes

    def events(self) -> list[LinkEvent]:
        """Give what happened to the connection since the last call: hints, possibly late."""
        happened: list[LinkEvent] = []
        for event in self._monitor.events():
            link_event = self._story.on_event(event)
            if link_event is not None:
                happened.append(link_event)
        return happened
