"""A host of a large fleet: as the simulator's, with fewer alarms under way."""

from support.simulator.minion_host import MinionHost


class FleetMinion(MinionHost):
    """One host with the production core of the minion."""

    _rung_at = float("inf")

    def boot(self) -> None:
        """Start the minion's link process."""
        if not self.is_alive:
            self._rung_at = float("inf")
        super().boot()

    def _set_alarm(self) -> None:
        """Ring when it is due; an alarm that is too early asks again."""
        at, life = self.clock.at(self.the_core.next_deadline) + 1e-6, self.life
        if at >= self._rung_at:
            return
        self._rung_at = at

        def ring() -> None:
            if life != self.life or self._rung_at != at:
                return
            self._rung_at = float("inf")
            core = self.core
            if core is not None and self.now().boot >= core.next_deadline:
                self.step(lambda core: core.on_deadline(self.now()))
            elif core is not None:
                self._set_alarm()

        self.world.at(at, ring)
