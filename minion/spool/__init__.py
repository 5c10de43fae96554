"""What jobs leave on the disk for the link: output, results, bodies."""

from typing import Final

INTERFACE: Final = ("capture", "leftovers", "spool", "supervisor_report")
"""What other rooms may use of this one."""
