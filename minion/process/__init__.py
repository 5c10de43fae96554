"""The minion's process: everything by which its decisions touch the world, from start to end."""

from typing import Final

INTERFACE: Final = ("child_process", "disk_thread", "master_socket", "resolver")
"""What other rooms may use of this one."""
