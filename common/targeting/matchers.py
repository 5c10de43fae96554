"""The single terms of a target expression, each compiled once and asked for each minion.

Minion ids are lower case in limpet, so patterns are compared with them without regard to case;
grains are compared without regard to case as in Salt.
"""

import fnmatch
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from limpet.common.errors import UsageError
from limpet.common.targeting.automaton import Regex, compile_regex
from limpet.common.targeting.grains import PARTS_MAX, no_weight
from limpet.common.targeting.terms import (
    Everybody,
    Glob,
    Grain,
    IdRegex,
    Names,
    Pillar,
    Subnet,
    Term,
)

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

ID_LENGTH_MAX: Final = 128
VALUE_LENGTH_MAX: Final = 1024
"""How much of a grain's text a regular expression looks at."""

Match = Callable[[str], re.Match[str] | None]

_SPECIAL: Final = re.compile(r"[*?[]")


def glob(text: str) -> Term:
    """Match ids by a shell pattern: `*`, `?`, `[abc]`, `[!abc]`."""
    if text == "*":
        return Everybody()
    if not is_pattern(text):
        return Names(frozenset((text.lower(),)))
    head = _SPECIAL.split(text, maxsplit=1)[0]
    if not head.isascii():  # some letters beyond ASCII match one of ASCII without regard to case
        head = head[: next(at for at, letter in enumerate(head) if not letter.isascii())]
    return Glob(head.lower(), text == f"{head}*", _glob_match(text))


def is_pattern(text: str) -> bool:
    """Say whether a glob can match more than the one id that it spells."""
    return any(mark in text for mark in "*?[")


def _glob_match(text: str) -> Match:
    # fnmatch translates without nested repetitions: its cost stays small for any pattern.
    return re.compile(fnmatch.translate(text), re.IGNORECASE).match


def names(text: str) -> frozenset[str]:
    """Give the ids of a list: `web1,web2`, or separated by spaces. Raises `UsageError`."""
    found = frozenset(name.lower() for name in re.split(r"[,\s]+", text) if name)
    if not found:
        raise UsageError(f"{text[:80]!a} names no minion; write a list as web1,web2")
    return found


def listed(text: str) -> Term:
    """Match the ids that a list names."""
    return Names(names(text))


def pcre(text: str) -> Term:
    """Match ids by a regular expression, from the beginning of the id (not to its end)."""
    return IdRegex(compile_regex(text, ID_LENGTH_MAX))


def grain(text: str, delimiter: str = ":") -> Grain:
    """Match a grain by a glob: `os:Ubuntu`, `ip4_interfaces:eth0:10.*`."""
    _check_grain(text, delimiter, "os:Ubuntu")
    globs: dict[str, Match] = {}

    def compare(pattern: str, value: str) -> bool:
        match = globs.get(pattern)
        if match is None:
            match = globs[pattern] = _glob_match(pattern)
        return match(value) is not None

    pattern = text.partition(delimiter)[2]
    literal = _literal_of(pattern.split(delimiter))
    quick, is_exact = _glob_match(pattern), not is_pattern(pattern)
    return Grain(text, delimiter, compare, no_weight, quick, literal, is_exact)


def _literal_of(parts: list[str]) -> bytes:
    """Give the longest stretch that is in every text which a glob matches, in lower case.

    It is of the last part, which belongs to the pattern however the expression is cut. Empty: there
    is none that could be looked for in JSON, where text stands for text.
    """
    last = parts[-1]
    if not last.isascii() or "\0" in last or any(part.startswith("{") for part in parts):
        return b""
    stretches = re.split(r"[*?]", last.partition("[")[0])
    return max(stretches, key=len).lower().encode()


def grain_pcre(text: str, delimiter: str = ":") -> Grain:
    """Match a grain by a regular expression, from the beginning of its value."""
    _check_grain(text, delimiter, "os_family:(RedHat|Debian)")
    parts = text.split(delimiter)
    # Which part is the key and which the expression is known only beside the grains, so each
    # cut is compiled now; the shortest expression must be valid, a longer one may not be.
    regexes: dict[str, Regex | None] = {}
    for cut in range(len(parts) - 1, 0, -1):
        pattern = delimiter.join(parts[cut:])
        try:
            regexes[pattern] = compile_regex(pattern, VALUE_LENGTH_MAX)
        except UsageError:
            regexes[pattern] = None
    if all(regex is None for regex in regexes.values()):
        compile_regex(delimiter.join(parts[1:]), VALUE_LENGTH_MAX)

    def compare(pattern: str, value: str) -> bool:
        regex = regexes.get(pattern)
        return regex is not None and regex(value)

    def weigh(pattern: str, length: int) -> int:
        regex = regexes.get(pattern)
        return 0 if regex is None else regex.steps(length)

    whole = regexes.get(text.partition(delimiter)[2])
    quick = None if whole is None else whole.quick
    return Grain(text, delimiter, compare, weigh, quick, b"", is_exact=False)


def pillar(text: str, delimiter: str = ":") -> Term:
    """Match pillar by a glob: `roles:web`, `sites:example.org:*`."""
    return Pillar(grain(text, delimiter))


def pillar_pcre(text: str, delimiter: str = ":") -> Term:
    """Match pillar by a regular expression, from the beginning of its value."""
    return Pillar(grain_pcre(text, delimiter))


def _check_grain(text: str, delimiter: str, example: str) -> None:
    parts = text.count(delimiter) + 1
    if parts == 1:
        raise UsageError(
            f"{text[:80]!a} is not a grain target: a key, {delimiter!r} and a pattern are "
            f"expected, as in {example.replace(':', delimiter)}"
        )
    if parts > PARTS_MAX:
        raise UsageError(f"{text[:80]!a} has more than {PARTS_MAX} parts")


def ipcidr(text: str) -> Term:
    """Match minions with an address (grains `ipv4`, `ipv6`) equal to this or in this network."""
    network = _network(text)
    literal = b""
    if network.version == 4:
        octets = str(network.network_address).split(".")[: network.prefixlen // 8]
        literal = "".join(f"{octet}." for octet in octets).encode()
        if len(octets) == 4:
            literal = literal[:-1]
    return Subnet(network.version, int(network.network_address), int(network.netmask), literal)


def _network(text: str) -> "IPv4Network | IPv6Network":
    import ipaddress

    try:
        return ipaddress.ip_network(text.strip())
    except ValueError as error:
        raise UsageError(
            f"{text[:80]!a} is neither an address nor a network, as 10.0.0.0/24 is: {error}"
        ) from error
