"""Which of the master's addresses are tried, and in which order."""

import re
from typing import Final

from limpet.minion.sessions.states import ADDRESSES_MAX

_DOTTED: Final = re.compile(r"\A\d{1,3}(?:\.\d{1,3}){3}\Z")


def is_numeric(host: str) -> bool:
    """Say whether the host is an address that needs no resolver."""
    return ":" in host or _DOTTED.match(host) is not None


def ordered(addresses: tuple[str, ...], best: str) -> tuple[str, ...]:
    """Give the addresses of one round: the one that worked last first, then both families in turn.

    In turn, so that a host whose one family leads nowhere loses one attempt and not five.
    """
    unique = list(dict.fromkeys(addresses))
    first = [best] if best in unique else []
    rest = [address for address in unique if address != best]
    six = [address for address in rest if ":" in address]
    four = [address for address in rest if ":" not in address]
    leading, following = (six, four) if rest and ":" in rest[0] else (four, six)
    mixed: list[str] = []
    for index in range(max(len(leading), len(following))):
        mixed.extend(leading[index : index + 1])
        mixed.extend(following[index : index + 1])
    return tuple((first + mixed)[:ADDRESSES_MAX])
