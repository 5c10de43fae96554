"""The single terms of a target expression, each compiled once and asked for each minion.

Minion ids are lower case in limpet, so patterns are compared with them without regard to case;
grains are compared without regard to case as in Salt.
"""

import fnmatch
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from limpet.common.errors import UsageError
from limpet.common.identifiers import MinionId
from limpet.common.targeting.automaton import Search, compile_regex
from limpet.common.targeting.grains import PARTS_MAX, grain_matches

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

Grains = Mapping[str, Any]
Matcher = Callable[[MinionId, Grains], bool | None]
"""None: that can't be said without the minion's pillar, which is not there."""

PILLAR: Final = "\x01pillar"
"""The key under which a minion's pillar stands among its grains; no grain has such a name."""

ID_LENGTH_MAX: Final = 128
VALUE_LENGTH_MAX: Final = 1024
"""How much of a grain's text a regular expression looks at."""


def everybody(minion_id: MinionId, grains: Grains) -> bool:
    """Match every minion: the glob `*`."""
    return True


def nobody(minion_id: MinionId, grains: Grains) -> bool:
    """Match no minion."""
    return False


def glob(text: str) -> Matcher:
    """Match ids by a shell pattern: `*`, `?`, `[abc]`, `[!abc]`."""
    if text == "*":
        return everybody
    if not is_pattern(text):
        wanted = text.lower()
        return lambda minion_id, grains: minion_id == wanted
    match = _glob_search(text)
    return lambda minion_id, grains: match(minion_id)


def is_pattern(text: str) -> bool:
    """Say whether a glob can match more than the one id that it spells."""
    return any(mark in text for mark in "*?[")


def _glob_search(text: str) -> Search:
    # fnmatch translates without nested repetitions: its cost stays small for any pattern.
    match = re.compile(fnmatch.translate(text), re.IGNORECASE).match
    return lambda subject: match(subject) is not None


def names(text: str) -> frozenset[str]:
    """Give the ids of a list: `web1,web2`, or separated by spaces. Raises `UsageError`."""
    found = frozenset(name.lower() for name in re.split(r"[,\s]+", text) if name)
    if not found:
        raise UsageError(f"{text[:80]!a} names no minion; write a list as web1,web2")
    return found


def listed(text: str) -> Matcher:
    """Match the ids that a list names."""
    wanted = names(text)
    return lambda minion_id, grains: minion_id in wanted


def pcre(text: str) -> Matcher:
    """Match ids by a regular expression, from the beginning of the id (not to its end)."""
    search = compile_regex(text, ID_LENGTH_MAX)
    return lambda minion_id, grains: search(minion_id)


def grain(text: str, delimiter: str = ":") -> Matcher:
    """Match a grain by a glob: `os:Ubuntu`, `ip4_interfaces:eth0:10.*`."""
    _check_grain(text, delimiter, "os:Ubuntu")
    globs: dict[str, Search] = {}

    def compare(pattern: str, value: str) -> bool:
        search = globs.get(pattern)
        if search is None:
            search = globs[pattern] = _glob_search(pattern)
        return search(value)

    return lambda minion_id, grains: grain_matches(grains, text, delimiter, compare)


def grain_pcre(text: str, delimiter: str = ":") -> Matcher:
    """Match a grain by a regular expression, from the beginning of its value."""
    _check_grain(text, delimiter, "os_family:(RedHat|Debian)")
    parts = text.split(delimiter)
    # Which part is the key and which the expression is known only beside the grains, so each
    # cut is compiled now; the shortest expression must be valid, a longer one may not be.
    regexes: dict[str, Search | None] = {}
    for cut in range(len(parts) - 1, 0, -1):
        pattern = delimiter.join(parts[cut:])
        try:
            regexes[pattern] = compile_regex(pattern, VALUE_LENGTH_MAX)
        except UsageError:
            regexes[pattern] = None
    if all(search is None for search in regexes.values()):
        compile_regex(delimiter.join(parts[1:]), VALUE_LENGTH_MAX)

    def compare(pattern: str, value: str) -> bool:
        search = regexes.get(pattern)
        return search is not None and search(value)

    return lambda minion_id, grains: grain_matches(grains, text, delimiter, compare)


def pillar(text: str, delimiter: str = ":") -> Matcher:
    """Match pillar by a glob: `roles:web`, `sites:example.org:*`."""
    return _in_pillar(grain(text, delimiter))


def pillar_pcre(text: str, delimiter: str = ":") -> Matcher:
    """Match pillar by a regular expression, from the beginning of its value."""
    return _in_pillar(grain_pcre(text, delimiter))


def _in_pillar(matcher: Matcher) -> Matcher:
    def match(minion_id: MinionId, grains: Grains) -> bool | None:
        found = grains.get(PILLAR)
        return matcher(minion_id, found) if isinstance(found, Mapping) else None

    return match


def _check_grain(text: str, delimiter: str, example: str) -> None:
    parts = text.count(delimiter) + 1
    if parts == 1:
        raise UsageError(
            f"{text[:80]!a} is not a grain target: a key, {delimiter!r} and a pattern are "
            f"expected, as in {example.replace(':', delimiter)}"
        )
    if parts > PARTS_MAX:
        raise UsageError(f"{text[:80]!a} has more than {PARTS_MAX} parts")


def ipcidr(text: str) -> Matcher:
    """Match minions with an address (grains `ipv4`, `ipv6`) equal to this or in this network."""
    network = _network(text)
    key = f"ipv{network.version}"

    def match(minion_id: MinionId, grains: Grains) -> bool:
        values = grains.get(key)
        if isinstance(values, str):
            values = [values]
        if not isinstance(values, list | tuple):
            return False
        return any(_is_inside(value, network) for value in values[:1000])

    return match


def _network(text: str) -> "IPv4Network | IPv6Network":
    import ipaddress

    try:
        return ipaddress.ip_network(text.strip())
    except ValueError as error:
        raise UsageError(
            f"{text[:80]!a} is neither an address nor a network, as 10.0.0.0/24 is: {error}"
        ) from error


def _is_inside(value: object, network: "IPv4Network | IPv6Network") -> bool:
    import ipaddress

    if not isinstance(value, str):
        return False
    try:
        address = ipaddress.ip_address(value.partition("%")[0])
    except ValueError:
        return False
    return address in network
