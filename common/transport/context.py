"""What all sockets of a process need: their context."""

from typing import TYPE_CHECKING

from limpet.common.transport import chance, options, raw

if TYPE_CHECKING:
    from limpet.common.transport.authenticator import Authenticator


class Context:
    """One ZeroMQ context: its I/O threads and the sockets made on it."""

    def __init__(self, *, io_threads: int = 1, sockets_max: int = 1023, burn: bool = False) -> None:
        """With `burn`, what a listening socket needs once in a process is done now (0.1 s).

        `sockets_max`: a `DealerSocket` is three of them.
        """
        if burn:
            chance.mix(raw.draw_numbers)
        self.raw = raw.RawContext(io_threads=io_threads, sockets_max=sockets_max)
        self.authenticator: Authenticator | None = None
        """Who says which keys may connect to the listening sockets made on it."""
        self._is_closed = False

    def close(self) -> bool:
        """End the context and whatever socket is left on it; waits for two seconds at most.

        False: libzmq has not let go by then; its threads stay behind until the process ends.
        """
        if self._is_closed:
            return True
        self._is_closed = True
        self.authenticator = None
        return self.raw.end(options.CONTEXT_END_S)
