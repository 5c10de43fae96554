"""An upgrade of the minion's package, step by step, with a deadline for each.

    prepared --> installing --installed------> restarting --> proving --READY for a while--> done
                     |                                            |
                     '--failed--> going_back <--ended thrice, or not READY in time
                                      |
                                      '--old one READY, or out of time--> restoring --> back, failed
    proving, going_back --another version runs--> overtaken

This file decides; it touches nothing. A `Save` comes before the acts of the phase that it names,
and every act may be done again, so that an upgrade which a power cut ended goes on from its record:
with `start`, in whatever phase it is. While the master's port does not answer, the verdict on a
version that runs is put off: a silent master says nothing about a package.
"""

from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from limpet.common.clock import FOREVER, Instant, Moment
from limpet.minion.upgrading.record import Phase, Record

INSTALL_S_MAX: Final = 900.0
"""For dpkg and the package's scripts."""
RESTART_S_MAX: Final = 30.0
"""For the service manager to take the order."""
STEADY_S: Final = 5.0
"""How long it must stay READY, in one process, to be believed."""
ENDS_MAX: Final = 3
"""So many ends of the process by itself are enough for a verdict."""
MASTER_AWAY_S_MAX: Final = 600.0
"""For so long the verdict waits for a master that can't be reached."""
GO_BACK_S_MIN: Final = 60.0
"""The old version is given this long at least, whatever the new one was."""
LOOK_EVERY_S: Final = 0.5


def longest_s(ready_timeout_s: float) -> float:
    """Give how many seconds an upgrade may take at most, there and back again.

    Waits for another package manager come on top.
    """
    once_s = INSTALL_S_MAX + RESTART_S_MAX + max(GO_BACK_S_MIN, ready_timeout_s)
    return 2 * (once_s + MASTER_AWAY_S_MAX + STEADY_S)


@dataclass(frozen=True, slots=True)
class Save:
    """Put the record on disk, durably, before anything that follows."""

    record: Record


@dataclass(frozen=True, slots=True)
class Install:
    """Install the package; answered by `on_installed`."""

    limit_s: float


@dataclass(frozen=True, slots=True)
class Switch:
    """Let `current` lead to this versions directory; answered by `on_switched`."""

    directory: str


@dataclass(frozen=True, slots=True)
class Restart:
    """Have the service manager restart the minion's unit; answered by `on_restarted`.

    `is_forced`: it answers nobody, so it is killed first.
    """

    is_forced: bool
    limit_s: float


@dataclass(frozen=True, slots=True)
class Restore:
    """Let the package database name the old version again, `current` staying where it is.

    Answered by `on_restored`.
    """

    limit_s: float


@dataclass(frozen=True, slots=True)
class End:
    """Keep the record as that of the last upgrade, and take away what was only for this one."""

    record: Record


Effect = Save | Install | Switch | Restart | Restore | End


@dataclass(frozen=True, slots=True)
class Sight:
    """How the minion is at one moment."""

    directory: str = ""
    """Which versions directory the process runs from; empty: nobody answers."""
    state: str = ""
    """Of its link: READY, BACKOFF, …"""
    process: tuple[int, float] = (0, 0.0)
    """What changes when it is another process, or another session: its pid, and since when."""
    ends: int = 0
    """How often the service manager has started it again because it had ended."""
    detail: str = ""
    """What the service manager says of the unit, for people."""
    failure: str = ""
    """How the process ended last, if it failed; for people."""
    is_master_reachable: bool = True


class Upgrade:
    """One upgrade."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.next_deadline: Instant = FOREVER
        """When `on_deadline` is wanted; FOREVER: an act is under way, or it is over."""
        self.is_over = False
        self._latest: Instant = FOREVER
        """No master that is away puts the verdict off beyond this."""
        self._steady_since: Instant | None = None
        self._other_since: Instant | None = None
        """Since when a version runs that is neither the old one nor the new one."""
        self._process = (0, 0.0)
        self._ends_seen: int | None = None
        self._ends = 0
        self._sight = Sight()
        self._failure = ""
        self._is_restarted = False
        self._is_old_well = False

    @property
    def is_looking(self) -> bool:
        """Say whether `on_sight` is wanted, every `LOOK_EVERY_S`."""
        return not self.is_over and self.next_deadline is not FOREVER

    def start(self, now: Moment, boot_id: str) -> list[Effect]:
        """Begin, or go on after the process or the host ended."""
        phase = self.record.phase
        if self.record.is_final:
            self.is_over = True
            return [End(self.record)]
        if phase == "prepared" and self.record.kind == "guard":
            return self._restart(now)
        if phase == "prepared" and boot_id != self.record.boot_id:
            return self._end(now, "back", "the host went down before anything was changed")
        if phase in ("prepared", "installing"):
            return [*self._enter("installing"), Install(INSTALL_S_MAX)]
        if phase in ("restarting", "proving"):
            return self._restart(now)
        return self._go_back(self.record.reason)

    def on_installed(self, now: Moment, problem: str, directory: str) -> list[Effect]:
        """Restart into what was installed, or go back. `problem`: empty where all went well."""
        assert self.record.phase == "installing"
        if not problem and directory in ("", self.record.old):
            problem = "the package was installed, but `current` was not switched to it"
        if problem:
            return self._go_back(problem)
        self.record = replace(self.record, new=directory)
        return self._restart(now)

    def on_restarted(self, now: Moment, problem: str) -> list[Effect]:
        """Look how the minion does from now on."""
        if self.record.phase == "going_back":
            if problem:
                self._note(f"restarting the unit: {problem}")
            self._look_for(now, max(GO_BACK_S_MIN, self.record.ready_timeout_s))
            return []
        assert self.record.phase == "restarting"
        if problem:
            return self._go_back(problem)
        self._look_for(now, self.record.ready_timeout_s)
        return self._enter("proving")

    def on_switched(self, now: Moment, problem: str) -> list[Effect]:
        """Start the old version, unless it still runs (the package was never started)."""
        if self.record.phase != "going_back":
            if problem:
                self._note(f"`current`: {problem}")
            return []
        if problem:
            return self._end(now, "failed", f"{self.record.reason}; and `current`: {problem}")
        if not self.record.new:
            self._look_for(now, GO_BACK_S_MIN / 2)
            return []
        return self._restart_old()

    def on_sight(self, now: Moment, sight: Sight) -> list[Effect]:
        """Judge how the minion is."""
        if not self.is_looking:
            return []
        self._sight = sight
        self._failure = sight.failure or self._failure
        self._count_ends(sight)
        is_new = self.record.phase == "proving"
        wanted = self.record.new if is_new else self.record.old
        known = ("", self.record.old, self.record.new)
        if self.record.new and sight.directory not in known:
            # Not at once: it may be about to end, as the one that ran before a third was installed.
            if self._other_since is None:
                self._other_since = now.boot
            if now.boot - self._other_since < STEADY_S:
                return []
            return self._end(now, "overtaken", f"{sight.directory} runs meanwhile")
        self._other_since = None
        if sight.directory == wanted and sight.state == "READY":
            if self._steady_since is None or self._process != sight.process:
                self._steady_since = now.boot
                self._process = sight.process
            if now.boot - self._steady_since >= STEADY_S:
                if is_new:
                    return self._end(now, "done", "")
                self._is_old_well = True
                return self._restore(now)
            return []
        self._steady_since = None
        if not is_new:
            # Nothing was restarted yet where the package failed to install: let it run, unless the
            # new version was started by an end or a boot meanwhile.
            is_other = sight.directory not in ("", self.record.old)
            return self._restart_old() if is_other and not self._is_restarted else []
        if self._ends >= ENDS_MAX:
            return self._go_back(f"it ended {self._ends} times{_of(self._failure)}")
        if sight.directory == wanted and not sight.is_master_reachable:
            timeout_s = self.record.ready_timeout_s
            self.next_deadline = max(self.next_deadline, min(now.after(timeout_s), self._latest))
        return []

    def on_deadline(self, now: Moment) -> list[Effect]:
        """Give the version up that is not READY in time."""
        assert now.boot >= self.next_deadline
        if self.record.phase == "proving":
            return self._go_back(self._why_not_ready())
        assert self.record.phase == "going_back"
        if not self._is_restarted:
            return self._restart_old()
        sight = self._sight
        self._is_old_well = sight.directory == self.record.old and not sight.is_master_reachable
        self._note(f"the old version: {self._why_not_ready()}")
        return self._restore(now)

    def on_restored(self, now: Moment, problem: str) -> list[Effect]:
        """End, whatever the package database says: the old version runs by its directory."""
        assert self.record.phase == "restoring"
        if problem:
            self._note(f"the package database still names the new version: {problem}")
        return self._end(now, "back" if self._is_old_well else "failed", self.record.reason)

    # --- steps --------------------------------------------------------------------------------

    def _enter(self, phase: Phase) -> list[Effect]:
        self.record = replace(self.record, phase=phase)
        return [Save(self.record)]

    def _restart(self, now: Moment) -> list[Effect]:
        self._forget_sights()
        return [*self._enter("restarting"), Restart(is_forced=False, limit_s=RESTART_S_MAX)]

    def _go_back(self, reason: str) -> list[Effect]:
        self.record = replace(self.record, reason=reason)
        self._steady_since = None
        self._is_restarted = False
        self.next_deadline = FOREVER
        return [*self._enter("going_back"), Switch(self.record.old)]

    def _restart_old(self) -> list[Effect]:
        is_silent = self._sight.directory == ""
        self._forget_sights()
        self._is_restarted = True
        self.next_deadline = FOREVER
        return [Restart(is_forced=is_silent, limit_s=RESTART_S_MAX)]

    def _restore(self, now: Moment) -> list[Effect]:
        self.next_deadline = FOREVER
        if self.record.kind == "package":
            return [*self._enter("restoring"), Restore(INSTALL_S_MAX)]
        name, version = "the package database", self.record.new_version
        kept = f" (the old one is kept: {self.record.previous})" if self.record.previous else ""
        self._note(f"{name} still names {version}: install a version that works{kept}")
        return self._end(now, "back" if self._is_old_well else "failed", self.record.reason)

    def _end(self, now: Moment, phase: Phase, reason: str) -> list[Effect]:
        self.is_over = True
        self.next_deadline = FOREVER
        since_s = now.wall - self.record.started_s
        if self._steady_since is not None:
            since_s -= now.boot - self._steady_since
        self.record = replace(
            self.record,
            phase=phase,
            reason=reason,
            ended_s=round(now.wall, 3),
            seconds=round(max(0.0, since_s), 1),
        )
        return [Save(self.record), End(self.record)]

    def _look_for(self, now: Moment, timeout_s: float) -> None:
        self.next_deadline = now.after(timeout_s)
        self._latest = now.after(timeout_s + MASTER_AWAY_S_MAX)

    def _forget_sights(self) -> None:
        self._steady_since = self._other_since = None
        self._ends_seen = None
        self._ends = 0
        self._sight = Sight()
        self._failure = ""

    def _count_ends(self, sight: Sight) -> None:
        """Count starts by the service manager; an order to restart sets its counter to nothing."""
        if self._ends_seen is not None and sight.ends > self._ends_seen:
            self._ends += sight.ends - self._ends_seen
        self._ends_seen = sight.ends

    def _note(self, text: str) -> None:
        if text in self.record.notices:
            return
        self.record = replace(self.record, notices=(*self.record.notices, text))

    def _why_not_ready(self) -> str:
        sight, waited_s = self._sight, self.record.ready_timeout_s
        wanted = self.record.new if self.record.phase == "proving" else self.record.old
        if not sight.directory:
            return f"it did not answer within {waited_s:g} s{_of(sight.detail)}"
        if sight.directory != wanted:
            return f"{sight.directory} still runs {waited_s:g} s after the restart"
        if not sight.is_master_reachable:
            return "it runs, but was not READY in time: the master can't be reached"
        if sight.state == "READY":
            return f"it did not stay READY for {STEADY_S:g} s within {waited_s:g} s"
        return f"it was not READY within {waited_s:g} s (its link is in {sight.state})"


def _of(detail: str) -> str:
    return f" ({detail})" if detail else ""
