"""Enough descriptors for a fleet: the limit is raised, and a shortage is told."""

import resource
from collections.abc import Iterator

import pytest

from limpet.common.errors import UsageError
from limpet.master.process import descriptors


@pytest.fixture
def hard() -> Iterator[int]:
    """Let this process have few descriptors, with the host's own bound above them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        pytest.skip("this host has no bound for open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (800, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_fleet_that_has_outgrown_the_limit_is_told_with_what_to_do(hard: int) -> None:
    assert descriptors.problem(800 - descriptors.SPARE) == ""
    text = descriptors.problem(801 - descriptors.SPARE)
    assert text.startswith("this process may open 800 files; 289 minions need 801")
    assert "LimitNOFILE=" in text


def test_the_limit_is_raised_as_far_as_the_host_lets_it_be(hard: int) -> None:
    descriptors.raise_limit(10)
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert soft == min(hard, descriptors.WANTED)
    assert descriptors.problem(10) == ""


def test_a_large_fleet_has_room_for_a_herd_where_the_host_lets_it(hard: int) -> None:
    minions = hard - descriptors.SPARE
    descriptors.raise_limit(minions)
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == hard
    with pytest.raises(UsageError, match=f"{minions + 1} minions need {hard + 1}"):
        descriptors.raise_limit(minions + 1)
