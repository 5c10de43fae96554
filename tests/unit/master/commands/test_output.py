"""What is shown of a job, where answers and live output go to one place."""

import sys
from pathlib import Path

import pytest

from limpet.master.client.results import JobOutput, MinionAnswer
from limpet.master.commands.shared.output import TxtOutput


def _answer(minion: str) -> MinionAnswer:
    return MinionAnswer(
        minion=minion,
        status="ok",
        since_s=1.0,
        error="",
        retcode=0,
        value="done",
        has_value=True,
        started_s=1.0,
        duration_s=1.0,
        is_cut=False,
    )


def test_live_output_on_stderr_does_not_overtake_answers_that_came_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "both"
    with path.open("a") as answers, path.open("a", buffering=1) as live:
        monkeypatch.setattr(sys, "stdout", answers)
        monkeypatch.setattr(sys, "stderr", live)
        output = TxtOutput()
        output.on_answer(_answer("web1"))
        output.on_output(JobOutput("web2", b"half way\n", 0))
        output.on_answer(_answer("web2"))
    assert path.read_text() == "web1: done\nweb2: half way\nweb2: done\n"
