"""Replacing the minion's own package: the new version proves itself, or the old one comes back."""

from typing import Final

INTERFACE: Final = ("io.request",)
"""What other rooms may use of this one."""
