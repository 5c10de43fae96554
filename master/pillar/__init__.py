"""Minions' pillar: who asks for it, and the processes that render it.

Ask ─▶ desk ─ Render ─▶ link ─▶ fork server ─ fork ─▶ one rendering, limited in time and memory
◀─ Offer ─ desk ◀─ on_rendered ◀─ link ◀─ Rendered
"""

from typing import Final

INTERFACE: Final = ("limits", "requests")
"""What other rooms may use of this one."""
