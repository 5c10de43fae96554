"""What a minion's host can see of the master's."""

from typing import Protocol

from limpet.common.identifiers import MinionKey
from support.simulator.network import Connection


class MasterPorts(Protocol):
    """The master's two ports; `master_host.MasterHost` is the only one."""

    server_key: str
    """The CURVE key that both ports have, in hex."""

    @property
    def is_stopped(self) -> bool:
        """Say whether the process stands still."""
        ...

    def is_listening(self, port: str) -> bool:
        """Say whether the port is open."""
        ...

    def allows(self, key: MinionKey) -> bool:
        """Answer as ZAP does."""
        ...

    def accept(self, port: str, key: MinionKey) -> dict[str, object]:
        """Give the master's end of a new connection."""
        ...

    def opened(self, connection: Connection, port: str) -> None:
        """Take note of the new connection."""
        ...
