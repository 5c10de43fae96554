"""A configuration that is read again: what is in force then, and what is said of the rest."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from limpet.common.errors import SourceError
from limpet.common.observability.logs import Log
from limpet.common.settings.master import MasterConfiguration
from limpet.master.core.settings import MasterSettings
from limpet.master.process.reload import NEEDS_RESTART, TAKEN_OVER, Reloader, changes_of

STARTED = MasterConfiguration(nodegroups={"shop": "web*"})


class File:
    """What stands in the file, and what became of it."""

    def __init__(self, log_path: Path) -> None:
        self.content: MasterConfiguration | SourceError = STARTED
        self.applied: list[MasterConfiguration] = []
        self.path = log_path
        self.fd = os.open(log_path, os.O_RDWR | os.O_CREAT)
        self.reloader = Reloader(
            self.read, STARTED, apply=self.applied.append, log=Log(fd=self.fd, has_priorities=True)
        )

    def read(self) -> MasterConfiguration:
        if isinstance(self.content, SourceError):
            raise self.content
        return self.content

    def log(self) -> str:
        return self.path.read_text()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[File]:
    made = File(tmp_path / "log")
    yield made
    os.close(made.fd)


def test_what_may_change_is_handed_on(file: File) -> None:
    file.content = replace(STARTED, history_days=1.0, nodegroups={"db": ("db*", "or", "sql*")})

    changes = file.reloader.reload()

    assert changes is not None
    assert (changes.history_age_s, changes.nodegroups) == (86400.0, {"db": "db* or sql*"})
    assert file.applied == [file.content]
    assert not file.reloader.problems
    assert file.log() == "<6>the configuration was read again and is in force\n"


def test_a_broken_file_changes_nothing_and_is_a_problem_until_it_is_mended(file: File) -> None:
    file.content = SourceError("unknown key 'prot'", "/etc/limpet/master.yaml", 3)

    assert file.reloader.reload() is None
    assert file.applied == []
    assert file.reloader.problems == (
        "the configuration is not taken over: /etc/limpet/master.yaml:3: unknown key 'prot'",
    )
    assert "<3>the configuration is not taken over" in file.log()

    file.content = STARTED
    assert file.reloader.reload() is not None
    assert not file.reloader.problems


def test_what_needs_a_restart_is_named_by_its_key_until_it_is_as_at_the_start(file: File) -> None:
    file.content = replace(STARTED, port=4600, enrol_port=4599, history_jobs=5)

    changes = file.reloader.reload()

    assert changes is not None
    assert changes.history_jobs_max == 5  # the rest is in force all the same
    said = "`enrol_port`, `port` have changed in the configuration"
    assert f"<4>{said}: this needs a restart of the master" in file.log()
    assert file.reloader.problems == (f"{said}: restart the master to put it in force",)

    file.content = STARTED
    file.reloader.reload()
    assert not file.reloader.problems


def test_each_key_is_either_taken_over_or_needs_a_restart() -> None:
    """Whoever adds a key says which; see `TAKEN_OVER` and `NEEDS_RESTART`."""
    every = set(MasterConfiguration.__struct_fields__)
    assert every == TAKEN_OVER | NEEDS_RESTART
    assert not TAKEN_OVER & NEEDS_RESTART


def test_settings_that_all_share_change_for_all() -> None:
    settings = MasterSettings(version="1")
    shared = settings
    settings.take_over(changes_of(replace(STARTED, job_timeout_s=7.0)))
    assert (shared.job_timeout_s, shared.version) == (7.0, "1")
    assert shared.nodegroups == {"shop": "web*"}
