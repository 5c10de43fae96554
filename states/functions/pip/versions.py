"""Requirements of Python packages, and which versions fulfil them (PEP 440, PEP 508). Pure."""

import re
from dataclasses import dataclass
from typing import Any, Final

from limpet.common.errors import UsageError

_REQUIREMENT: Final = re.compile(
    r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(\[[A-Za-z0-9._,\s-]*\])?\s*"
    r"(?:@\s*(\S+)|\(?((?:[<>=!~][^;()]*)?)\)?)\s*(;.*)?\Z"
)
_VERSION: Final = re.compile(
    r"v?(?:(\d+)!)?(\d+(?:\.\d+)*)(?:[._-]?(a|b|c|rc|alpha|beta|pre|preview)[._-]?(\d*))?"
    r"(?:-(\d+)|[._-]?(post|rev|r)[._-]?(\d*))?(?:[._-]?(dev)[._-]?(\d*))?"
    r"(?:\+([a-z0-9]+(?:[._-][a-z0-9]+)*))?\Z"
)
_CONDITION: Final = re.compile(r"\s*(===|==|!=|<=|>=|~=|<|>)\s*(\S+)\s*\Z")
_ADDRESS: Final = re.compile(r"(?:git|hg|svn|bzr)\+|[a-z]+://|[./~]", re.IGNORECASE)
_LETTERS: Final = {"alpha": "a", "beta": "b", "c": "rc", "pre": "rc", "preview": "rc"}

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Requirement:
    """One package as somebody names it."""

    text: str
    """As it was written, for pip."""
    name: str = ""
    """Normalized; empty: only pip knows (an address or a path without `#egg=`)."""
    conditions: tuple[tuple[str, str], ...] = ()
    is_address: bool = False

    def is_met(self, version: str) -> bool:
        """Say whether a version fulfils it."""
        return all(_is_met(version, operator, wanted) for operator, wanted in self.conditions)


def requirement(text: str) -> Requirement:
    """Read a requirement. Raises `UsageError` for what pip could take for an option."""
    text = text.strip()
    if not text or text.startswith("-") or "\n" in text:
        raise UsageError(f"{text!r} is no requirement of a Python package")
    if _ADDRESS.match(text):
        egg = re.search(r"[#&]egg=([A-Za-z0-9._-]+)", text)
        return Requirement(text, normal(egg[1]) if egg else "", is_address=True)
    match = _REQUIREMENT.match(text)
    if match is None:
        raise UsageError(f"{text!r} is no requirement of a Python package")
    name, _, address, said, _ = match.groups()
    conditions: list[tuple[str, str]] = []
    for each in (said or "").split(","):
        if not each.strip():
            continue
        condition = _CONDITION.match(each)
        if condition is None:
            raise UsageError(f"{text!r} has a version that can't be read: {each.strip()!r}")
        conditions.append((condition[1], condition[2]))
    return Requirement(text, normal(name), tuple(conditions), is_address=bool(address))


def normal(name: str) -> str:
    """Give a name as all its spellings have it in common."""
    return re.sub(r"[-_.]+", "-", name).lower()


def key_of(version: str) -> Key | None:
    """Give what versions are ordered by; None: it is none by PEP 440."""
    match = _VERSION.match(version.strip().lower())
    if match is None:
        return None
    epoch, release, letter, number, implicit, post, post_number, dev, dev_number, local = (
        match.groups()
    )
    numbers = [int(each) for each in release.split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    is_post = bool(post or implicit)
    pre: tuple[Any, ...]
    if letter:
        pre = (_LETTERS.get(letter, letter), int(number or 0))
    else:
        # Without a letter: after all of them, but 1.0.dev1 is older than 1.0a1.
        pre = ("", 0) if dev and not is_post else ("z", 0)
    parts = re.split(r"[._-]", local) if local else []
    return (
        int(epoch or 0),
        tuple(numbers),
        pre,
        int(post_number or implicit or 0) if is_post else -1,
        int(dev_number or 0) if dev else float("inf"),
        tuple((1, int(each), "") if each.isdigit() else (0, 0, each) for each in parts),
    )


def compare(first: str, second: str) -> int:
    """Give -1, 0 or 1; versions that are none by PEP 440 are compared as texts."""
    one, other = key_of(first), key_of(second)
    if one is None or other is None:
        return (first > second) - (first < second)
    return (one > other) - (one < other)


def _is_met(version: str, operator: str, wanted: str) -> bool:
    if operator == "===":
        return version.lower() == wanted.lower()
    if operator in ("==", "!="):
        return _is_equal(version, wanted) == (operator == "==")
    if operator == "~=":
        prefix = re.sub(r"\.\d+[^.]*\Z", "", wanted)
        return compare(version, wanted) >= 0 and _is_equal(version, f"{prefix}.*")
    plain = version.split("+", 1)[0]
    order = compare(plain, wanted)
    return {"<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0}[operator]


def _is_equal(version: str, wanted: str) -> bool:
    if wanted.endswith(".*"):
        prefix = wanted[:-2].lower().lstrip("v").split(".")
        release = re.match(r"v?((?:\d+!)?\d+(?:\.\d+)*)", version.lower())
        numbers = release[1].split(".") if release else []
        numbers += ["0"] * (len(prefix) - len(numbers))
        return numbers[: len(prefix)] == prefix
    if "+" not in wanted:
        version = version.split("+", 1)[0]
    return compare(version, wanted) == 0
