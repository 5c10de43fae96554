"""A process of the master's own beside its loop, and the line to it: started, ended, reaped.

When it is started, and what its end means, is for whoever holds it to say.
"""

import socket
import subprocess
import sys
from typing import Final

from limpet.common.control.framing import FramedSocket

CLOSE_S_MAX: Final = 1.0
"""How long a process may take to end once its line is closed."""


class HelperProcess:
    """One running process and the master's end of its socket pair."""

    def __init__(
        self, module: str, *, read_bytes_max: int, write_bytes_max: int, queue_bytes_max: int
    ) -> None:
        """Start `python -I -m MODULE FD`, whose end of the line is that descriptor.

        Raises `OSError` where descriptors or processes have run out; nothing is left open then.
        """
        ours, theirs = socket.socketpair()
        self.line = FramedSocket(
            ours,
            read_bytes_max=read_bytes_max,
            write_bytes_max=write_bytes_max,
            queue_bytes_max=queue_bytes_max,
        )
        try:
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-m", module, str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    close_fds=True,
                )
        except OSError:
            self.line.close()
            raise

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def end(self) -> int:
        """Close the line, kill the process and give its status: without a line it is of no use."""
        self.line.close()
        self._process.kill()
        return self._process.wait()

    def close(self, within_s: float = CLOSE_S_MAX) -> None:
        """Close the line, which ends the process; one that stays is killed."""
        self.line.close()
        try:
            self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
