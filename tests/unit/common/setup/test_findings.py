"""Running checks side by side, each within its time."""

import threading
import time
from collections.abc import Iterable

import pytest

from limpet.common.errors import HostError
from limpet.common.setup.findings import Check, Finding, fail, is_well, ok, run_checks, warn


def broken() -> Iterable[Finding]:
    yield ok("x", "first")
    raise HostError("the disk is gone")


def test_findings_stand_in_the_order_of_the_checks() -> None:
    def slow() -> Iterable[Finding]:
        time.sleep(0.1)
        return (ok("slow", "1"), warn("slow", "2", "do"))

    found = run_checks([Check("slow", slow), Check("fast", lambda: (ok("fast", "3"),))])
    assert [[each.text for each in of] for of in found] == [["1", "2"], ["3"]]
    assert all(is_well(of) for of in found)


def test_a_check_that_raises_has_failed_with_what_it_says() -> None:
    def denied() -> Iterable[Finding]:
        raise PermissionError(13, "Permission denied", "/x")

    found = run_checks([Check("a", broken), Check("b", denied)])
    assert found == (
        (fail("a", "the disk is gone", ""),),
        (fail("b", "/x: Permission denied", ""),),
    )
    assert not is_well(found[0])


def test_a_check_that_hangs_is_left_behind() -> None:
    over = threading.Event()

    def hang() -> Iterable[Finding]:
        over.wait(30)
        return ()

    began = time.monotonic()
    found = run_checks([Check("disk", hang, 0.1), Check("fine", lambda: (ok("fine", ""),))])
    over.set()
    assert time.monotonic() - began < 5
    assert found[0][0].verdict == "fail"
    assert "did not end within 0.1 s" in found[0][0].text
    assert found[1] == (ok("fine", ""),)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_mistake_of_the_program_is_no_silence() -> None:
    def bug() -> Iterable[Finding]:
        raise AssertionError

    assert "broke" in run_checks([Check("bug", bug)])[0][0].text
