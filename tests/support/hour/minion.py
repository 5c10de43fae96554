"""A host of a large fleet: as the simulator's, with fewer alarms under way."""

from functools import cached_property

from support.hour.alarm import Alarm
from support.simulator.minion_host import MinionHost


class FleetMinion(MinionHost):
    """One host with the production core of the minion."""

    @cached_property
    def _alarm(self) -> Alarm:
        return Alarm(self, self.clock, lambda: self.core, self._wake_up)

    def boot(self) -> None:
        """Start the minion's link process."""
        if not self.is_alive:
            self._alarm.forget()
        super().boot()

    def _set_alarm(self) -> None:
        """Ring when it is due: few alarms are under way."""
        self._alarm.set()

    def _wake_up(self) -> None:
        self.step(lambda core: core.on_deadline(self.now()))
