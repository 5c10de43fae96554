"""Forms in which a job is shown: as answers come, or all together at the end."""

from __future__ import annotations

import sys
import time
from typing import Protocol

from limpet.common.terminal.colors import Palette
from limpet.common.terminal.escape import cut_line, decoded
from limpet.common.terminal.forms import json_text, txt_lines, yaml_text
from limpet.common.terminal.highstate import USUAL, Look, is_highstate
from limpet.master.client.results import JobOutput, JobResult, MinionAnswer
from limpet.master.commands.shared.progress import Progress
from limpet.master.commands.shared.wording import answer_lines, bare_value, job_data

PARTIAL_BYTES_MAX = 64 * 1024
"""Live output without an end of line is shown after so many bytes."""


class Output(Protocol):
    """Shows a job. Whoever calls flushes stdout when nothing more has come yet, and at the end."""

    def on_answer(self, answer: MinionAnswer) -> None:
        """Show a final answer that has come."""
        ...

    def on_output(self, output: JobOutput) -> None:
        """Show a piece of live output."""
        ...

    def on_progress(self, minion: str, progress: Progress) -> None:
        """Show how far a run of states is."""
        ...

    def on_end(self, result: JobResult | None) -> None:
        """Show the rest; None: no minion matched."""
        ...


class Streamed:
    """Live output of several minions as whole lines, each after the id of its minion."""

    def __init__(self, palette: Palette, *, is_on_stderr: bool) -> None:
        self._palette = palette
        self._is_on_stderr = is_on_stderr
        self._partial: dict[str, bytes] = {}
        self._dropped: dict[str, int] = {}

    def on_output(self, output: JobOutput) -> None:
        """Show the lines that are complete."""
        if output.dropped_bytes:
            self._dropped[output.minion] = (
                self._dropped.get(output.minion, 0) + output.dropped_bytes
            )
            self._show(output.minion, self._partial.pop(output.minion, b""))
            self._write(output.minion, f"…({output.dropped_bytes} bytes were dropped)")
        data = self._partial.pop(output.minion, b"") + output.data
        *whole, rest = data.split(b"\n")
        for line in whole:
            self._write(output.minion, cut_line(decoded(line.removesuffix(b"\r"))))
        if len(rest) > PARTIAL_BYTES_MAX:
            self._show(output.minion, rest)
        elif rest:
            self._partial[output.minion] = rest

    def on_end(self, minion: str) -> None:
        """Show what is left of a minion's output."""
        self._show(minion, self._partial.pop(minion, b""))

    def is_complete(self, minion: str) -> bool:
        """Say whether nothing of the minion's output was dropped."""
        return minion not in self._dropped

    def _show(self, minion: str, data: bytes) -> None:
        if data:
            self._write(minion, cut_line(decoded(data)))

    def _write(self, minion: str, line: str) -> None:
        stream = sys.stderr if self._is_on_stderr else sys.stdout
        if self._is_on_stderr:
            sys.stdout.flush()  # where both go to one place, answers of before stand before it
        stream.write(f"{self._palette.paint('cyan', cut_line(minion) + ':')} {line}\n")
        stream.flush()


class TextOutput:
    """For people: each answer as it comes, in the look of Salt."""

    def __init__(self, palette: Palette, look: Look = USUAL) -> None:
        self._palette = palette
        self._look = look
        self._streamed = Streamed(palette, is_on_stderr=False)
        self._has_streamed: set[str] = set()

    def on_answer(self, answer: MinionAnswer) -> None:
        """Show one answer; not the value again if all of it was streamed."""
        if answer.minion in self._has_streamed:
            self._streamed.on_end(answer.minion)
            is_shown = self._streamed.is_complete(answer.minion) and not is_highstate(answer.value)
            if answer.status == "ok" and is_shown:
                name = self._palette.paint("cyan", f"{cut_line(answer.minion)}:")
                self._write([f"{name} {self._palette.paint('green', '(ok)')}"])
                return
        self._write(answer_lines(answer, self._palette, time.time(), self._look))

    def on_output(self, output: JobOutput) -> None:
        """Show live output."""
        self._has_streamed.add(output.minion)
        self._streamed.on_output(output)

    def on_progress(self, minion: str, progress: Progress) -> None:
        """Do nothing: the live view shows it where somebody looks."""

    def on_end(self, result: JobResult | None) -> None:
        """Show the minions that have no result yet."""
        if result is None:
            return
        for answer in result.minions.values():
            if not answer.is_final:
                self._streamed.on_end(answer.minion)
                self._write(answer_lines(answer, self._palette, time.time(), self._look))

    def _write(self, lines: object) -> None:
        assert not isinstance(lines, str)
        sys.stdout.write("".join(f"{line}\n" for line in lines))  # type: ignore[attr-defined]


class AllAtOnce:
    """For programs: one document at the end; live output goes to stderr."""

    def __init__(self, form: str, *, is_bare: bool) -> None:
        """`form`: json or yaml. `is_bare`: Salt's `{minion: value}`, else the job with statuses."""
        self._form = form
        self._is_bare = is_bare
        self._streamed = Streamed(Palette(False), is_on_stderr=True)

    def on_answer(self, answer: MinionAnswer) -> None:
        """Wait for the end."""
        self._streamed.on_end(answer.minion)

    def on_output(self, output: JobOutput) -> None:
        """Show live output on stderr."""
        self._streamed.on_output(output)

    def on_progress(self, minion: str, progress: Progress) -> None:
        """Write it as a line of JSON on stderr."""
        line = json_text({"minion": minion, "progress": progress.data}, indent=None)
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    def on_end(self, result: JobResult | None) -> None:
        """Write the document."""
        data: object
        if result is None:
            data = {} if self._is_bare else {"jid": None, "minions": {}}
        elif self._is_bare:
            data = {name: bare_value(answer) for name, answer in result.minions.items()}
        else:
            data = job_data(result)
        write_document(data, self._form)


class TxtOutput:
    """Salt's `txt`: the id before each line of the value, as answers come."""

    def __init__(self) -> None:
        self._streamed = Streamed(Palette(False), is_on_stderr=True)

    def on_answer(self, answer: MinionAnswer) -> None:
        """Show one answer."""
        self._streamed.on_end(answer.minion)
        for line in txt_lines(answer.minion, bare_value(answer)):
            sys.stdout.write(f"{line}\n")

    def on_output(self, output: JobOutput) -> None:
        """Show live output on stderr."""
        self._streamed.on_output(output)

    def on_progress(self, minion: str, progress: Progress) -> None:
        """Do nothing."""

    def on_end(self, result: JobResult | None) -> None:
        """Show the minions that have no result yet."""
        if result is not None:
            for answer in result.minions.values():
                if not answer.is_final:
                    self.on_answer(answer)


def output_for(form: str, bare: str | None, palette: Palette, look: Look = USUAL) -> Output:
    """Choose by `--format` and `--out`; the latter wins. `look` is for results of states."""
    if bare == "txt":
        return TxtOutput()
    if bare is not None:
        return AllAtOnce(bare, is_bare=True)
    return TextOutput(palette, look) if form == "text" else AllAtOnce(form, is_bare=False)


def write_document(data: object, form: str) -> None:
    """Write one document as `json` or `yaml` to stdout."""
    sys.stdout.write(yaml_text(data) if form == "yaml" else json_text(data) + "\n")
    sys.stdout.flush()
