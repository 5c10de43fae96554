"""The master's process: everything by which its decisions touch the world, from start to end."""

from typing import Final

INTERFACE: Final = ("helper_process", "memory", "worker_threads")
"""What other rooms may use of this one."""
