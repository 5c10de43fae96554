"""A file system that hangs costs its limit, not the caller."""

import os
import threading
import time

import pytest

from limpet.states.host.disks import LocalDisks


@pytest.mark.covers("I16")
def test_a_file_system_that_hangs_is_given_up_in_time() -> None:
    never = threading.Event()

    def hang(_path: str) -> os.statvfs_result:
        never.wait()
        raise OSError

    begin = time.monotonic()
    found = LocalDisks(hang).usage("/dead", limit_s=0.05)
    never.set()
    assert found is None
    assert time.monotonic() - begin < 5


def test_a_file_system_that_answers_is_measured() -> None:
    found = LocalDisks().usage("/", limit_s=10)
    assert found is not None
    assert 0 < found["used"] <= found["total"]


def test_a_path_that_is_not_there_has_no_size() -> None:
    assert LocalDisks().usage("/no/such/place", limit_s=10) is None
