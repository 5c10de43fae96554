"""What tests on hosts are handed: `lab_of(3)` is the lab of a test file (tests/lab/conftest.py)."""

from typing import Protocol

from limpet_lab.fleet import Fleet


class LabOf(Protocol):
    """Gives the lab of a test file."""

    def __call__(self, minions: int, *, is_enrolled: bool = True) -> Fleet:
        """Give a lab of a master and so many hosts, web1 and on; the same one at each call.

        `is_enrolled`: with the packages installed, and all minions READY.
        """
        ...
