"""Who is connected: greetings, admission, beats, sync, loss, and how that is shown."""

from typing import Final

INTERFACE: Final = ("minion", "rate_limits", "registry")
"""What other rooms may use of this one."""
