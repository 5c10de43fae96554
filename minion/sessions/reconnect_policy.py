"""After a failure: for how long the link stays away, and on which port it comes back."""

import random
from typing import Final

from limpet.common.clock import Instant
from limpet.minion.core.effects import Port
from limpet.minion.core.notes import Notes
from limpet.minion.sessions import backoff
from limpet.minion.sessions.failure_escalation import HANDSHAKE_LOSSES, Failures
from limpet.minion.sessions.states import Loss

PORT_CHANGE_AFTER: Final = 2
"""After so many failures that speak for it, the other port is asked."""
MAIN_AFTER: Final = 6
"""The same for a minion that is new, where the enrolment port is there and only busy, or may be so
(who has a token is let in there, as one of many perhaps), or the main one has said no already: to
say so costs the master a handshake."""


class ReconnectPolicy:
    """The pauses and the port of one link."""

    def __init__(self, notes: Notes, chance: random.Random, *, has_token: bool = False) -> None:
        """`has_token`: the minion was given a join string."""
        self._notes = notes
        self._has_token = has_token
        self._chance = chance
        self.failures = Failures()
        self.port: Port = "main" if notes.is_accepted else "enrol"
        """The port of the next attempt."""
        self._speaking_for_other = 0
        self._is_patient = False
        """The port is there, and only busy; or the main one knows nothing of the key."""

    def use_port(self, port: Port) -> None:
        """Come back on this port."""
        self.port = port
        self._speaking_for_other = 0
        self._is_patient = False

    def on_unknown_key(self) -> None:
        """Ask on the enrolment port: the main one does not know the key."""
        self.use_port("enrol")
        self._is_patient = True

    def pause_after_failure_s(self, at: Instant, loss: Loss, *, is_tcp_connected: bool) -> float:
        """Count a failed attempt; choose the port and the pause."""
        failures = self.failures
        failures.on_failure(at, loss, is_tcp_connected=is_tcp_connected)
        self._count_for_other_port(loss, is_tcp_connected=is_tcp_connected)
        fleet = self._notes.fleet
        cap = backoff.cap_s(fleet)
        if loss in HANDSHAKE_LOSSES:
            is_lasting = failures.handshakes_lasting_s(at) >= backoff.FAILED_PATIENCE_S
            if loss is Loss.HANDSHAKE_FAILED and is_lasting:
                return backoff.failed_pause_s(self._chance, fleet)
            cap = backoff.handshake_cap_s(fleet, loss, failures.handshakes)
        if not self._notes.is_accepted:
            cap = max(cap, backoff.new_cap_s(loss))
        return backoff.backoff_s(self._chance, failures.in_a_row, cap)

    def pause_after_loss_s(self, at: Instant) -> float:
        """Choose the pause after a lost session; sessions that end at once count as failures."""
        fleet = self._notes.fleet
        pause_s = backoff.reconnect_s(self._chance, fleet)
        flaps = self.failures.on_lost(at)
        if flaps < 2:
            return pause_s
        return max(pause_s, backoff.backoff_s(self._chance, flaps, backoff.cap_s(fleet)))

    def pause_after_drain_s(self, back_in_s: float, spread_s: float) -> float:
        """Choose the pause that the master's planned stop asks for."""
        return backoff.drain_s(self._chance, back_in_s, spread_s)

    def poll_s(self, hint_s: float) -> float:
        """Choose when to ask again for acceptance: the master has answered, nothing has failed."""
        self.failures.on_answer()
        self._speaking_for_other = 0
        return backoff.poll_s(self._chance, self._notes.fleet, hint_s)

    def _count_for_other_port(self, loss: Loss, *, is_tcp_connected: bool) -> None:
        """Silence on the main port looks the same for an unknown key.

        On the enrolment port any failure speaks for the main one: the first may be filtered while
        the key is accepted already. Who is new does not stay at the main one either: a herd would
        wait there for a master that is not up yet, only to be told no.
        """
        if self.port == "enrol" or loss in HANDSHAKE_LOSSES or not self._notes.is_accepted:
            self._speaking_for_other += 1
        is_new = self.port == "enrol" and not self._notes.is_accepted
        self._is_patient = self._is_patient or is_tcp_connected
        is_patient = is_new and (self._is_patient or self._has_token)
        if self._speaking_for_other >= (MAIN_AFTER if is_patient else PORT_CHANGE_AFTER):
            self.use_port("enrol" if self.port == "main" else "main")
