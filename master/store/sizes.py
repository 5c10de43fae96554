"""What a job that has ended amounts to: deliveries by state, and bytes on disk, roughly."""

from typing import Final

JOB_BYTES: Final = 300
"""What a job takes on disk besides its arguments: row, indexes, sums (measured: 290)."""
DELIVERY_BYTES: Final = 360
"""What a delivery takes on disk besides its value, at most where that is small (measured for ids of
21 characters: 224 with a value of 100 bytes, 373 with one of 600 that stands apart)."""


def job_bytes(arguments: int, deliveries: int, body_bytes: int) -> int:
    """Give about what a job takes on disk; `arguments` and `body_bytes` in bytes."""
    return JOB_BYTES + arguments + DELIVERY_BYTES * deliveries + body_bytes


def written(counts: dict[str, int]) -> str:
    """Write deliveries by state as `STATE=NUMBER …`; those of which there are none are left out."""
    return " ".join(f"{state}={number}" for state, number in counts.items() if number)


def parsed(text: str) -> dict[str, int]:
    """Read what `written` wrote."""
    found: dict[str, int] = {}
    for part in text.split():
        state, _, number = part.partition("=")
        found[state] = int(number)
    return found
