"""How many minions of a job may be at it at once: `--batch N` or `N%`."""

from limpet.common.errors import UsageError


def batch_size_of(text: str, targets: int) -> int:
    """Read `N` or `N%` as a number of minions; 0: all at once. Raises `UsageError`."""
    if not text:
        return 0
    digits = text.removesuffix("%")
    if not digits.isascii() or not digits.isdigit() or int(digits) == 0:
        raise UsageError(f"batch {text!a}: give a number of minions above 0, or a percentage")
    if digits == text:
        return int(digits)
    return max(1, targets * min(int(digits), 100) // 100)
