"""A master that was restored from an old backup may notice that its minions have gone on."""

from limpet.common.control.replies import MasterStatus
from limpet.master.master_keys.hint import PATIENCE_S, TEXT, why_nobody_comes


def status(fleet: int = 3, ready: int = 0) -> MasterStatus:
    """Make a status of a master that began at 1000."""
    return MasterStatus("1", 1000.0, "s", 1, fleet, ready, {}, {}, ())


def test_nobody_comes_and_handshakes_fail() -> None:
    late = 1000.0 + PATIENCE_S
    assert why_nobody_comes(status(), {"handshake_failed": 3}, late) == TEXT
    assert why_nobody_comes(status(), {"enrol.handshake_failed": 9}, late) == TEXT
    assert not why_nobody_comes(status(), {"handshake_failed": 3}, late - 1)
    assert not why_nobody_comes(status(), {"handshake_failed": 2, "denied": 9}, late)
    assert not why_nobody_comes(status(ready=1), {"handshake_failed": 30}, late)
    assert not why_nobody_comes(status(fleet=0), {"handshake_failed": 30}, late)
