"""The minion's jobs: journal, queue, the fork server and its workers."""

from typing import Final

INTERFACE: Final = ("bulk_transfer", "events", "recovery", "results")
"""What other rooms may use of this one."""
