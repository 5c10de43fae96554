"""The events that are published: what happened, under a tag that is a path."""

from typing import Final

INTERFACE: Final = ("tags",)
"""What other rooms may use of this one."""
