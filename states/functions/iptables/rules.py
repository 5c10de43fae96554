"""A rule of the packet filter from its parts, as words; pure.

The order is Salt's: interfaces, protocol, matches, ports, comment, the rest as it stands in the
tree, and last the jump with what belongs to it.
"""

import shlex
from collections.abc import Mapping
from typing import Any, Final

from limpet.common.errors import HostError

_APART: Final = frozenset(
    ("name", "names", "state", "fun", "table", "chain", "family", "save", "position", "full",
     "command", "rules", "order", "match", "jump", "j", "comment", "connstate", "dport", "sport",
     "dports", "sports", "if", "of", "proto", "protocol", "to-port", "to-ports", "sfun", "context",
     "__reqs__")
)  # fmt: skip
_BEHIND: Final = frozenset(
    ("add-set", "and-mark", "and-tos", "checksum-fill", "clamp-mss-to-pmtu", "clustermac",
     "ctevents", "ctmask", "del-set", "ecn-tcp-remove", "exist", "expevents", "gateway",
     "hash-init", "hashmode", "helper", "hl-dec", "hl-inc", "hl-set", "hmark-mod",
     "hmark-offset", "hmark-rnd",
     "hmark-tuple", "label", "led-always-blink", "led-delay", "led-trigger-id", "local-node",
     "log-ip-options", "log-level", "log-prefix", "log-tcp-options", "log-tcp-sequence", "log-uid",
     "mask", "new", "nfmask", "nflog-group", "nflog-prefix", "nflog-range", "nflog-size",
     "nflog-threshold", "nodst", "notrack", "on-ip", "on-port", "or-mark", "or-tos", "persistent",
     "queue-balance", "queue-bypass", "queue-num", "random", "rateest-ewmalog", "rateest-interval",
     "rateest-name", "reject-with", "restore", "restore-mark", "save-mark", "selctx", "set-class",
     "set-dscp", "set-dscp-class", "set-mark", "set-mss", "set-tos", "set-xmark", "strip-options",
     "timeout", "to", "to-destination", "to-source", "total-nodes", "tproxy-mark", "ttl-dec",
     "ttl-inc", "ttl-set", "type", "ulog-cprange", "ulog-nlgroup", "ulog-prefix",
     "ulog-qthreshold", "xor-mark", "xor-tos", "zone")
)  # fmt: skip
"""What belongs to the jump."""


def words_of(parts: Mapping[str, Any]) -> list[str]:
    """Give the rule's words. Raises `HostError` for what can't be a part of one."""
    given = {
        key.replace("_", "-") if key != "__reqs__" else key: each for key, each in parts.items()
    }
    found: list[str] = []
    protocol = _first(given, "proto", "protocol")
    for option, key in (("-i", "if"), ("-o", "of")):
        if _is_given(given.get(key)):
            found += _option(option, given[key])
    if _is_given(protocol):
        found += _option("-p", protocol)
    found += _matches(given)
    found += _ports(given, protocol)
    if _is_given(given.get("comment")):
        found += ["-m", "comment", "--comment", str(given["comment"])]
    if _is_given(given.get("match-set")):
        found += ["-m", "set"] if "set" not in _listed(given.get("match")) else []
        for each in _sets(given["match-set"]):
            negated, bare = _negated(each)
            found += [*(["!"] if negated else []), "--match-set", *bare.split()]
    for key, value in given.items():
        if _is_option(key) and key not in _BEHIND and key != "match-set" and value is not None:
            found += _option(f"--{key}", value)
    jump = _first(given, "jump", "j")
    if _is_given(jump):
        found += ["--jump", str(jump)]
    for key in ("to-port", "to-ports"):
        if _is_given(given.get(key)):
            found += _option("--to-ports", given[key])
    for key, value in given.items():
        if key in _BEHIND and value is not None:
            found += _option(f"--{key}", value)
    for word in found:
        if any(character in word for character in "\n\r\0"):
            raise HostError(f"a part of a rule has no line break: {word!r:.60}")
    return found


def shown(words: list[str]) -> str:
    """Give the words as a text that a person can read, and put into a terminal."""
    return " ".join(f'"{word}"' if " " in word else word for word in words)


def split(rule: str) -> list[str]:
    """Give the words of a rule that came as a text. Raises `HostError`."""
    try:
        return shlex.split(rule)
    except ValueError as error:
        raise HostError(f"the rule {rule!r:.80} can't be split into words: {error}") from None


def _matches(given: Mapping[str, Any]) -> list[str]:
    found: list[str] = []
    names = _listed(given.get("match"))
    state = given.get("connstate")
    for each in names:
        if each == "comment" and _is_given(given.get("comment")):
            continue
        found += ["-m", each]
    if _is_given(state):
        is_new = "conntrack" in names
        if not is_new and "state" not in names:
            found += ["-m", "state"]
        states = ",".join(_listed(state))
        found += _option("--ctstate" if is_new else "--state", states)
    return found


def _ports(given: Mapping[str, Any], protocol: object) -> list[str]:
    found: list[str] = []
    for key in ("dport", "sport"):
        if _is_given(given.get(key)):
            found += _option(f"--{key}", given[key])
    several = [key for key in ("dports", "sports") if _is_given(given.get(key))]
    if several and "multiport" not in _listed(given.get("match")):
        if not _is_given(protocol):
            raise HostError("proto must be specified when dports or sports are used")
        found += ["-m", "multiport"]
    for key in several:
        found += _option(f"--{key}", ",".join(_listed(given[key])))
    return found


def _option(option: str, value: object) -> list[str]:
    """Give an option with its value; `!` before the value turns it round."""
    if value is True or value == "":
        return [option]
    if value is False:
        return []
    if isinstance(value, list | tuple):
        value = ",".join(str(each) for each in value)
    negated, bare = _negated(str(value))
    if bare.startswith("-"):
        raise HostError(f"{bare!r:.60} can't be the value of {option} in a rule")
    return [*(["!"] if negated else []), option, bare]


def _negated(text: str) -> tuple[bool, str]:
    stripped = text.strip()
    for mark in ("!", "not "):
        if stripped.startswith(mark):
            return True, stripped.removeprefix(mark).strip()
    return False, stripped if stripped else text


def _listed(value: object) -> list[str]:
    if value is None or value == "":
        return []
    if isinstance(value, list | tuple):
        return [str(each) for each in value]
    return [each.strip() for each in str(value).split(",") if each.strip()]


def _sets(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list | tuple) else [str(value)]


def _first(given: Mapping[str, Any], *keys: str) -> Any:  # noqa: ANN401
    return next((given[key] for key in keys if _is_given(given.get(key))), None)


def _is_given(value: object) -> bool:
    return value is not None and value != "" and value is not False


def _is_option(key: str) -> bool:
    return key not in _APART and not key.startswith("--")
