"""Plain YAML scalars by Salt's rules: which are numbers, booleans, null; all others are text.

These are the rules of YAML 1.1 with two changes that trees rely on: a leading zero does not make a
number octal (`0644` is 644), and dates stay text. So `0o644`, `08` and `1e3` are text, `yes` is
true and `12:30` is 750.
"""

from functools import lru_cache
from typing import Any, Final

import yaml

DIGITS_MAX: Final = 400
"""Of a number; a longer one is refused, since reading it would take long."""
_PREFIX: Final = "tag:yaml.org,2002:"
_RESOLVERS: Final[dict[Any, Any]] = yaml.SafeLoader.yaml_implicit_resolvers
_TRUE: Final = frozenset(("yes", "true", "on"))
_TEXT: Final = frozenset(("str", "timestamp"))
_SIXTY: Final = 60


class BadScalar(Exception):
    """The text is not what its tag says, or the tag makes nothing of a scalar."""


@lru_cache(maxsize=8192)
def plain(text: str) -> tuple[str, Any]:
    """Give the kind and the value of a plain scalar; for `merge` and `value` no value is made.

    Raises `BadScalar`.
    """
    kind = kind_of(text)
    return kind, None if kind in ("merge", "value") else build(text, kind)


def kind_of(text: str) -> str:
    """Give the name of the tag that a plain scalar has by its form (`int`, `str`, `merge`, …)."""
    first = text[0] if text else ""
    for key in (first, None):
        for tag, pattern in _RESOLVERS.get(key, ()):
            if pattern.match(text):
                return str(tag).removeprefix(_PREFIX)
    return "str"


def build(text: str, kind: str) -> Any:  # noqa: ANN401
    """Make the value of a scalar of that kind. Raises `BadScalar`."""
    if kind in _TEXT:
        return text
    if kind == "null":
        return None
    if kind == "bool":
        return _bool(text)
    if kind in ("int", "float") and len(text) > DIGITS_MAX:
        raise BadScalar(f"a number of more than {DIGITS_MAX} digits")
    try:
        if kind == "int":
            return _int(text)
        if kind == "float":
            return _float(text)
    except (ValueError, OverflowError) as error:
        raise BadScalar(f"{text[:80]!r} is no {kind}") from error
    raise BadScalar(f"could not determine a constructor for the tag '{full_tag(kind)}'")


def full_tag(kind: str) -> str:
    """Give the tag as YAML writes it in full."""
    return kind if kind.startswith("!") or ":" in kind else _PREFIX + kind


def _bool(text: str) -> bool:
    lowered = text.lower()
    if lowered in _TRUE:
        return True
    if lowered in ("no", "false", "off"):
        return False
    raise BadScalar(f"{text[:80]!r} is no boolean")


def _int(text: str) -> int:
    digits = text.replace("_", "")
    sign = -1 if digits.startswith("-") else 1
    digits = digits.lstrip("+-")
    if digits.startswith("0b"):
        return sign * int(digits[2:], 2)
    if digits.startswith("0x"):
        return sign * int(digits[2:], 16)
    if text[0] in "+-" and len(digits) > 1 and digits.startswith("0") and ":" not in digits:
        return sign * int(digits, 8)  # a sign hides the zero from Salt's rule
    value = 0
    for part in digits.split(":"):
        value = value * _SIXTY + int(part or "0")
    return sign * value


def _float(text: str) -> float:
    digits = text.replace("_", "").lower()
    sign = -1.0 if digits.startswith("-") else 1.0
    digits = digits.lstrip("+-")
    if digits == ".inf":
        return sign * float("inf")
    if digits == ".nan":
        return float("nan")
    value = 0.0
    for part in digits.split(":"):
        value = value * _SIXTY + float(part)
    return sign * value
