"""The Unix socket of the master: who may come, what they ask, what they are told."""

from typing import Final

INTERFACE: Final = ("listener", "peer_credentials")
"""What other rooms may use of this one."""
