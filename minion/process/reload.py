"""SIGHUP at a minion: its configuration is read again, in a child, and what comes of it.

    SIGHUP ─▶ child plans ─ broken ────▶ told; all stays as it was
                             ├ as before ▶ the grains are collected anew
                             └ other ───▶ the minion starts itself afresh with the new plan

Afresh means: the same process id, jobs that run go on, and the link is back within a second. So
nothing is half in force, whatever was changed.
"""

from typing import Final, Literal

import msgspec

from limpet.common.clock import FOREVER, Instant, Moment
from limpet.common.errors import HostError
from limpet.common.observability.logs import Log
from limpet.minion.process import planning
from limpet.minion.process.child_process import ShortChild
from limpet.minion.process.plan import Plan

Verdict = Literal["broken", "as before", "other"]
NAME: Final = "what reads the configuration again"


class Reloading:
    """At most one reading at a time; another SIGHUP meanwhile means one more after it."""

    def __init__(self, plan: Plan, log: Log) -> None:
        self.problem = ""
        """Why the configuration in the file is not in force; empty: it is."""
        self.plan: Plan | None = None
        """What is to be in force from now on, after `other`."""
        self._present = plan
        self._log = log
        self._child: ShortChild | None = None
        self._is_wanted_again = False

    @property
    def next_deadline(self) -> Instant:
        """Give when `collect` is wanted even if nothing is readable."""
        return FOREVER if self._child is None else self._child.deadline

    def filenos(self) -> tuple[int, ...]:
        """Give what to poll for reading."""
        return () if self._child is None else (self._child.fileno(),)

    def begin(self, now: Moment) -> Verdict | None:
        """Have the configuration read; None: `collect` will tell."""
        if self._child is not None:
            self._is_wanted_again = True
            return None
        try:
            self._child = ShortChild(
                now,
                planning.command(),
                name=NAME,
                limit_s=planning.LIMIT_S,
                bytes_max=planning.ANSWER_BYTES_MAX,
                stdin=planning.question_of(self._present),
            )
        except HostError as error:
            return self._broken(str(error))
        return None

    def collect(self, now: Moment) -> Verdict | None:
        """Say what came of it, once."""
        answer = None if self._child is None else self._child.collect(now)
        if answer is None:
            return None
        self._child = None
        if self._is_wanted_again:
            self._is_wanted_again = False
            return self.begin(now)
        planned = planning.read_answer(*answer)
        if planned.plan is None:
            return self._broken(planned.problem)
        self.problem = ""
        if is_same(planned.plan, self._present):
            return "as before"
        self.plan = planned.plan
        return "other"

    def close(self) -> None:
        """End the child, if there is one."""
        if self._child is not None:
            self._child.close()
            self._child = None

    def _broken(self, problem: str) -> Verdict:
        self.problem = f"the configuration is not taken over: {problem}"
        self._log.error(self.problem)
        return "broken"


def is_same(new: Plan, present: Plan) -> bool:
    """Say whether a plan asks for nothing else.

    The master's key may have been changed by the master meanwhile: the running minion knows. What
    is only there to be told is no reason either.
    """
    as_before = msgspec.structs.replace(new, notices=present.notices, server_key=present.server_key)
    # As bytes: a list and a tuple are the same to everybody who reads a plan.
    return msgspec.msgpack.encode(as_before) == msgspec.msgpack.encode(present)
