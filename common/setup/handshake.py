"""Whether a limpet master is behind a port, and whether it has the key that it should have.

With a key pair made for the one question: the main port then says no to it after the handshake, and
the no itself proves that the master's key fits and that keys are checked there.
"""

import time
from typing import Final, Literal

from limpet.common.messages.fields import ENROL_FRAME_BYTES_MAX
from limpet.common.transport.sockets import Context, DealerSocket, Poller, make_keypair

HANDSHAKE_S: Final = 3.0

Handshake = Literal["ready", "denied", "wrong", "silent", "refused"]
"""ready: the key fits and this side was let in. denied: the key fits, this side was turned
away. wrong: what listens ended the handshake, so it has another key or is no master. silent: TCP
connects, and nothing comes. refused: no TCP connection."""


def shake_hands(
    address: str, port: int, server_key: bytes, limit_s: float = HANDSHAKE_S
) -> Handshake:
    """Try the handshake. Raises `HostError` where no socket can be had, `UsageError` for a port."""
    public, secret = make_keypair()
    end = time.monotonic() + limit_s
    context = Context()
    try:
        plug = DealerSocket(
            context,
            address=address,
            port=port,
            server_key=server_key,
            public_key=public,
            secret_key=secret,
            frame_bytes_max=ENROL_FRAME_BYTES_MAX,
            handshake_s=limit_s,
        )
        poller = Poller()
        poller.register(plug)
        is_connected = False
        try:
            while (left := end - time.monotonic()) > 0:
                poller.wait(left)
                for event in plug.events():
                    if event == "connected":
                        is_connected = True
                    elif event in ("ready", "denied", "refused"):
                        return event
                    else:
                        return "wrong" if time.monotonic() < end - 0.2 * limit_s else "silent"
            return "silent" if is_connected else "refused"
        finally:
            plug.close()
    finally:
        context.close()
