"""Minions' pillar: who asks for it, and the processes that render it.

Ask ─▶ requests ─ Render ─▶ supervisor ─▶ fork server ─ fork ─▶ renderings, with limits
◀─ Offer ─ requests ◀─ on_rendered ◀─ supervisor ◀─ Rendered
"""

from typing import Final

INTERFACE: Final = ("limits", "requests")
"""What other rooms may use of this one."""
