"""What a master may notice of minions that have gone on to a key it does not have yet."""

from collections.abc import Mapping
from typing import Final

from limpet.common.control.replies import MasterStatus

PATIENCE_S: Final = 20.0
"""How long after a start minions may stay away before that means anything."""
HANDSHAKES_MIN: Final = 3
TEXT: Final = (
    "no minion has come in since the start, and their handshakes fail: was this master restored "
    "from a backup that is older than a rotation of its key? Then `limpet keys rotate-master "
    "--yes` leads it to the key that they have (docs/key-rotation.md)"
)


def why_nobody_comes(status: MasterStatus, rejected: Mapping[str, int], wall_s: float) -> str:
    """Say what may be wrong where nobody is in and handshakes fail; or ''."""
    handshakes = rejected.get("handshake_failed", 0) + rejected.get("enrol.handshake_failed", 0)
    is_early = wall_s - status.since_s < PATIENCE_S
    if status.fleet == 0 or status.ready or is_early or handshakes < HANDSHAKES_MIN:
        return ""
    return TEXT
