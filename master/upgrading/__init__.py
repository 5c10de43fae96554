"""Packages that minions are upgraded to: handed over by a person, kept on the master's disk."""

from typing import Final

INTERFACE: Final = ("io.package_files",)
"""What other rooms may use of this one."""
