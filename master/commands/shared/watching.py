"""Following a job on behalf of a person: the live line, the end, the timeout, and Ctrl-C."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Final

from limpet.common.errors import ExitCode
from limpet.common.terminal.colors import is_terminal
from limpet.common.terminal.live import LiveLine
from limpet.common.terminal.session import Session, complain
from limpet.master.client.client import Client
from limpet.master.client.errors import NoMinionMatched
from limpet.master.client.following import Following
from limpet.master.client.results import JobOutput, JobResult, MinionAnswer
from limpet.master.commands.shared.output import Output
from limpet.master.commands.shared.progress import Progress, Records
from limpet.master.commands.shared.wording import counts_of, counts_text, names_text, progress_text

INTERRUPTED: Final = 130
TICK_S: Final = 0.1
LONG_TICK_S: Final = 5.0


class Watching:
    """Shows one job to its end and gives the exit code."""

    def __init__(self, session: Session, output: Output, *, is_output_shown: bool = True) -> None:
        """Without `is_output_shown` live output tells only how far runs of states are."""
        self._session = session
        self._output = output
        self._is_output_shown = is_output_shown
        self._records: dict[str, Records] = {}
        self._progress: dict[str, Progress] = {}
        self._answers: dict[str, MinionAnswer] = {}
        self.is_at_terminal = is_terminal(sys.stderr) and not session.is_quiet
        """A person looks at what goes on."""
        self._live = LiveLine(sys.stderr, is_shown=self.is_at_terminal)
        self._tick_s = TICK_S if self.is_at_terminal else LONG_TICK_S

    def client(self) -> Client:
        """Make a client whose notices do not tear the live line."""

        def notice(text: str) -> None:
            self._live.hide()
            self._session.note(text)

        return Client(self._session.root, on_notice=notice)

    def follow(
        self,
        start: Callable[[], Following],
        timeout_s: float | None,
        named: frozenset[str] | None = None,
    ) -> int:
        """Follow a job to its end or the timeout. `named`: ids that the person spelled out."""
        following: Following | None = None
        try:
            following = start()
            self._show_changes(following)
            result = following.result() if following.jid is not None else following.wait_stored()
        except NoMinionMatched:
            self._live.hide()
            self._output.on_end(None)
            raise
        except KeyboardInterrupt:
            self._live.hide()
            sys.stdout.flush()
            self._on_interrupted(following)
            return INTERRUPTED
        finally:
            self._live.hide()
            if following is not None:
                following.close()
        self._output.on_end(result)
        sys.stdout.flush()
        return self._sum_up(result, timeout_s, named)

    def _show_changes(self, following: Following) -> None:
        while not following.is_over:
            if not following.is_at_hand:
                sys.stdout.flush()
            change = following.next_change(self._tick_s)
            if isinstance(change, MinionAnswer):
                self._answers[change.minion] = change
                if change.is_final:
                    self._progress.pop(change.minion, None)
                    self._live.hide()
                    self._output.on_answer(change)
            elif change is not None:
                self._on_output(change)
            elif following.is_timed_out:
                return
            else:
                self._draw()

    def _on_output(self, output: JobOutput) -> None:
        """Take in what runs of states tell of themselves; show the rest if it is wanted."""
        records = self._records.setdefault(output.minion, Records())
        if output.dropped_bytes:
            records.flush()  # its end was lost
        text, told = records.feed(output.data)
        for progress in told:
            self._progress[output.minion] = progress
            self._output.on_progress(output.minion, progress)
        if self._is_output_shown and (text or output.dropped_bytes):
            self._live.hide()
            self._output.on_output(JobOutput(output.minion, text, output.dropped_bytes))
        elif told:
            self._draw()

    def _draw(self) -> None:
        now_s = time.monotonic()
        if self._answers:
            text = progress_text(self._answers.values(), time.time())
        else:
            text = "waiting for the master"
        runs = [each.line(minion, now_s) for minion, each in sorted(self._progress.items())]
        self._live.draw_lines([*runs, text], now_s)

    def _sum_up(
        self, result: JobResult, timeout_s: float | None, named: frozenset[str] | None
    ) -> int:
        """Say on stderr what is missing, and what to do about it."""
        code = result.exit_code
        missing = sorted((named or frozenset()).difference(result.minions))
        if missing:
            complain(f"no accepted minion of that id: {names_text(missing, 10)}")
            code = ExitCode.NO_RESULT if code == ExitCode.OK else code
        if result.exit_code == ExitCode.OK:
            return int(code)
        self._session.note(f"job {result.jid}: {counts_text(counts_of(result.minions.values()))}")
        open_ones = [each.minion for each in result.minions.values() if not each.is_final]
        if open_ones:
            waited = f"after {timeout_s:g} s " if timeout_s is not None else ""
            complain(
                f"{waited}{len(open_ones)} of {len(result.minions)} have no result: "
                f"{names_text(open_ones)}; see the rest: "
                f"{self._session.command('jobs', 'wait', result.jid)}"
            )
        return int(code)

    def _on_interrupted(self, following: Following | None) -> None:
        """Tell how to see the rest and how to cancel."""
        jid = None if following is None else following.jid
        if following is None or jid is None:
            complain(
                "interrupted before the master said that the job is stored; it may be all the "
                f"same: {self._session.command('jobs', 'list')}"
            )
            return
        answers = following.result().minions.values()
        done = sum(answer.is_final for answer in answers)
        complain(f"interrupted; job {jid} goes on ({done} of {len(answers)} have answered)")
        complain(f"see the rest: {self._session.command('jobs', 'wait', jid)}")
        complain(f"cancel it:    {self._session.command('jobs', 'cancel', jid)}")
