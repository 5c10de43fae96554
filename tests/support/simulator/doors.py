"""What a minion's host can see of the master's."""

from limpet.common.identifiers import MinionKey
from support.simulator.network import Connection


class MasterDoor:
    """The master's two ports; `master_host.MasterHost` is the only one."""

    @property
    def is_stopped(self) -> bool:
        """Say whether the process stands still."""
        raise NotImplementedError

    def is_listening(self, port: str) -> bool:
        """Say whether the port is open."""
        raise NotImplementedError

    def allows(self, key: MinionKey) -> bool:
        """Answer as ZAP does."""
        raise NotImplementedError

    def accept(self, port: str, key: MinionKey) -> dict[str, object]:
        """Give the master's end of a new connection."""
        raise NotImplementedError

    def opened(self, connection: Connection, port: str) -> None:
        """Take note of the new connection."""
        raise NotImplementedError
