"""How long the link stays away after a failure: always with chance, always scaled by the fleet.

Full jitter: a uniform choice between nothing and a growing limit, so that a thousand minions that
lost their master in the same instant do not come back in the same instant.
"""

import random
from typing import Final

from limpet.minion.sessions.states import CONNECTING_S, Loss

BASE_S: Final = 0.25
CAP_MIN_S: Final = 2.0
CAP_MAX_S: Final = 60.0
FLEET_PER_S: Final = 300.0
"""Handshakes a second that a fleet may ask of its master."""
POLL_S: Final = 15.0
"""PENDING and DENIED ask again this often."""
POLL_JITTER: Final = 0.25
HINT_MIN_S: Final = 1.0
HINT_MAX_S: Final = 300.0
"""Bounds of a pause that the master asks for."""
SILENT_CAP_MIN_S: Final = 8.0
FAILED_PAUSE_S: Final = 15.0
FAILED_JITTER: Final = 0.15
"""A server key that has been wrong for a minute is tried about four times a minute, and the right
one is found again within the bound of a small fleet."""
HANDSHAKE_CAP_MAX_S: Final = 120.0
HANDSHAKE_MAX_S: Final = 20.0
"""A master's backlog is 1,024 connections, and the kernel keeps as many again that it has answered:
at a hundred handshakes a second the last of them waits for so long."""
NEW_HANDSHAKE_S: Final = 8.0
CROWD_TCP_S: Final = 8.0
"""The kernel tries at 0, 1, 3 and 7 s; a master that is overrun answers when it has room."""
NEW_CAP_S: Final = 8.0
"""Who is new does not know how many others there are: it waits longer, and comes again later where
the master is there and does not answer. Both together are less than the recovery bound of a small
fleet. Where nothing is there (`refused`, `unreachable`) it asks as often as ever."""
FAILED_PATIENCE_S: Final = 60.0
"""Handshakes that the other side ends count as a wrong key only after this long: a port forwarder
in front of a master that is being restarted accepts and ends connections just the same."""

_UNANSWERED: Final = frozenset({Loss.HANDSHAKE_SILENT, Loss.GREETING_SILENT, Loss.ENROL_SILENT})


def cap_s(fleet: int) -> float:
    """Give the limit of the pauses for a fleet of this size."""
    return min(max(fleet / FLEET_PER_S, CAP_MIN_S), CAP_MAX_S)


def tcp_s(fleet: int, *, is_new: bool, failures: int) -> float:
    """Give how long TCP may take: that an address leads nowhere is told by the first attempt."""
    is_crowded = is_new or fleet / FLEET_PER_S >= CROWD_TCP_S
    return CROWD_TCP_S if is_crowded and failures else CONNECTING_S


def handshake_s(fleet: int, *, is_new: bool) -> float:
    """Give how long a handshake may take once TCP stands.

    Where a fleet comes in one instant, connections wait in the master's backlog for their turn.
    Whoever gives up there has cost it little, but comes again, behind the others, and leaves a dead
    connection that it has to take up and find out about: so patience is what ends a herd soonest.
    """
    if is_new:
        return NEW_HANDSHAKE_S
    return min(max(fleet / FLEET_PER_S, CONNECTING_S), HANDSHAKE_MAX_S)


def handshake_cap_s(fleet: int, loss: Loss, in_a_row: int) -> float:
    """Give the limit where TCP connects and CURVE does not finish: it doubles with each failure.

    Each such attempt costs the master a handshake. Silence (a master that hangs or is
    overrun) doubles up to 8 s in a small fleet, up to 120 s in a large one. Handshakes that are
    ended (a wrong server key) keep the plain limit for a minute; then `failed_pause_s` holds.
    """
    plain = cap_s(fleet)
    if loss is Loss.HANDSHAKE_FAILED:
        return plain
    limit = min(max(fleet / FLEET_PER_S * 10, SILENT_CAP_MIN_S), HANDSHAKE_CAP_MAX_S)
    return max(plain, min(plain * 2.0 ** min(in_a_row, 10), limit))


def failed_pause_s(chance: random.Random, fleet: int) -> float:
    """Choose the pause where handshakes have been ended for longer than `FAILED_PATIENCE_S`."""
    middle = min(max(fleet / FLEET_PER_S * 10, FAILED_PAUSE_S), HANDSHAKE_CAP_MAX_S)
    return chance.uniform(middle * (1 - FAILED_JITTER), middle * (1 + FAILED_JITTER))


def new_cap_s(loss: Loss) -> float:
    """Give the limit of the pauses of a minion that the master has never welcomed."""
    return NEW_CAP_S if loss in _UNANSWERED else CAP_MIN_S


def backoff_s(chance: random.Random, failures: int, cap: float) -> float:
    """Choose the pause after this many failures in a row (at least one)."""
    assert failures >= 1
    return chance.uniform(0.0, min(cap, BASE_S * 2.0 ** min(failures, 16)))


def reconnect_s(chance: random.Random, fleet: int) -> float:
    """Choose the pause before the first attempt after a session was lost."""
    return chance.uniform(0.0, max(BASE_S, fleet / FLEET_PER_S))


def poll_s(chance: random.Random, fleet: int, hint_s: float) -> float:
    """Choose when to ask again for acceptance; `hint_s` is the master's wish, 0 if none."""
    wish = min(max(hint_s, HINT_MIN_S), HINT_MAX_S) if hint_s > 0 else POLL_S
    middle = max(wish, cap_s(fleet) if fleet > POLL_S * FLEET_PER_S else 0.0)
    return chance.uniform(middle * (1 - POLL_JITTER), middle * (1 + POLL_JITTER))


def drain_s(chance: random.Random, back_in_s: float, spread_s: float) -> float:
    """Choose when to come back after the master announced its stop."""
    return min(back_in_s, HINT_MAX_S) + chance.uniform(0.0, min(spread_s, HINT_MAX_S))
