"""The running minion's Unix socket: `limpet call`, and jobs that ask about jobs."""

from typing import Final

INTERFACE: Final = ("client", "connections", "files_client", "messages")
"""What other rooms may use of this one."""
