"""Whether this libzmq may be used at all."""

from typing import Final

from limpet.common.errors import UsageError

OLDEST: Final = (4, 3, 5)
"""Older ones can be crashed or taken over by whoever reaches the port."""


def check(version: tuple[int, int, int], has_curve: bool) -> None:
    """Raise `UsageError` if the library is too old to be safe, or has no CURVE."""
    if version < OLDEST:
        found, wanted = (".".join(map(str, v)) for v in (version, OLDEST))
        raise UsageError(
            f"libzmq {found} is too old: {wanted} or newer is needed; "
            "install pyzmq from its wheel, which brings its own"
        )
    if not has_curve:
        raise UsageError("this libzmq has no CURVE encryption; install pyzmq from its wheel")
