"""A fake master and a way to run the command line in this process."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from limpet.__main__ import run
from support.command_line import Limpet, Ran
from support.fakes.master import FakeMaster


@pytest.fixture
def master(tmp_path: Path) -> Iterator[FakeMaster]:
    with FakeMaster(tmp_path) as fake:
        yield fake


@pytest.fixture
def limpet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Limpet:
    """Run `limpet WORDS` with LIMPET_ROOT set to the fake master's directory."""
    monkeypatch.setenv("LIMPET_ROOT", str(tmp_path))
    monkeypatch.setenv("TZ", "UTC")

    def call(*words: str) -> Ran:
        code = run(list(words))
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return call
