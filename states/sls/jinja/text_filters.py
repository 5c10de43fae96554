"""Filters on texts and single values: expressions, quoting, numbers, names, dates."""

import base64
import fnmatch
import json
import os
import re
import shlex
import uuid
from collections.abc import Hashable, Iterable
from datetime import UTC, date, datetime
from typing import Any, Final

from limpet.states.sls import yaml_text
from limpet.states.sls.jinja.undefined import passing_undefined

_UUID_ROOT: Final = uuid.UUID("91633EBF-1C86-5E33-935A-28061F4B480E")
"""The name space in which Salt makes the ids of its filter `uuid`."""
_SIZE: Final = re.compile(r"([0-9.]*)\s*(.*)")


def _flags(ignorecase: bool, multiline: bool) -> int:
    return (re.IGNORECASE if ignorecase else 0) | (re.MULTILINE if multiline else 0)


def regex_search(
    text: str, expression: str, ignorecase: bool = False, multiline: bool = False
) -> tuple[Any, ...] | None:
    """Give the groups of the first place that matches, the whole of it where there are none."""
    found = re.search(expression, text, _flags(ignorecase, multiline))
    if found is None:
        return None
    return found.groups() or (found.group(),)


def regex_match(
    text: str, expression: str, ignorecase: bool = False, multiline: bool = False
) -> tuple[Any, ...] | None:
    """Give the groups where the beginning of the text matches."""
    found = re.match(expression, text, _flags(ignorecase, multiline))
    if found is None:
        return None
    return found.groups() or (found.group(),)


def regex_replace(
    text: str, expression: str, replacement: str, ignorecase: bool = False, multiline: bool = False
) -> str:
    """Put the replacement wherever the expression matches."""
    return re.sub(expression, replacement, text, flags=_flags(ignorecase, multiline))


def is_match(text: str, expression: str, ignorecase: bool = False, multiline: bool = False) -> bool:
    """Test: the beginning of the text matches."""
    return bool(re.match(expression, text, _flags(ignorecase, multiline)))


def to_bool(value: Any) -> bool:  # noqa: ANN401
    """Take `yes`, `true` and `1` for true; of other kinds, what is more than nothing."""
    if value is None or isinstance(value, bool):
        return bool(value)
    if isinstance(value, str):
        return value.lower() in ("yes", "1", "true")
    if isinstance(value, int):
        return value > 0
    if not isinstance(value, Hashable):
        return len(value) > 0
    return False


def to_num(text: Any) -> Any:  # noqa: ANN401
    """Read a number; what is none stays as it is."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def human_to_bytes(size: object, default_unit: str = "B", handle_metric: bool = False) -> int:
    """Read a size such as `5 GiB`; with `handle_metric` a `GB` counts in thousands."""
    found = _SIZE.match(str(size).strip())
    assert found is not None
    number = to_num(found.group(1))
    if isinstance(number, str):
        return 0
    unit = found.group(2).lower() or default_unit.lower()
    is_metric = bool(re.match(r"[kmgtpezy]b$", unit))
    if not is_metric and not re.match(r"(b|[kmgtpezy](ib)?)$", unit):
        return 0
    power = "bkmgtpezy".index(unit[0])
    factor = 1000**power if is_metric and handle_metric else 1024**power
    return int(number * factor)


def to_snake_case(text: str) -> str:
    """Turn `camelCase` into `camel_case`."""
    parts = [text[0].lower()]
    for place, letter in enumerate(text[1:], 1):
        follows_lower = text[place - 1].islower()
        leads_lower = place != len(text) - 1 and text[place + 1].islower()
        if letter.isupper() and (follows_lower or leads_lower):
            parts.append("_")
        parts.append(letter.lower())
    return "".join(parts)


def to_camelcase(text: str, uppercamel: bool = False) -> str:
    """Turn `snake_case` into `snakeCase`, or `SnakeCase`."""
    first, *others = text.split("_")
    head = first.capitalize() if uppercamel else first
    return head + "".join(each.capitalize() for each in others)


def contains_whitespace(text: str) -> bool:
    """Say whether there is any white space."""
    return any(letter.isspace() for letter in text)


def is_hex(value: Any) -> bool:  # noqa: ANN401
    """Say whether the text is a number in base 16."""
    try:
        int(value, 16)
    except (TypeError, ValueError):
        return False
    return True


def check_whitelist_blacklist(
    value: str,
    whitelist: str | Iterable[str] | None = None,
    blacklist: str | Iterable[str] | None = None,
) -> bool:
    """Say whether a value passes: on the white list, and not on the black one; globs or regexes."""
    allowed = not whitelist or any(_expresses(value, each) for each in _listed(whitelist))
    refused = bool(blacklist) and any(_expresses(value, each) for each in _listed(blacklist))
    return allowed and not refused


def _listed(value: str | Iterable[str] | None) -> Iterable[str]:
    if isinstance(value, str):
        return [value]
    return value or ()


def _expresses(value: Any, expression: Any) -> bool:  # noqa: ANN401
    if not isinstance(value, str) or not isinstance(expression, str):
        return False
    if fnmatch.fnmatch(value, expression):
        return True
    try:
        return bool(re.fullmatch(expression, value))
    except re.error:
        return False


def to_bytes(text: str | bytes, encoding: str | None = None, errors: str = "strict") -> bytes:
    """Encode a text, in UTF-8 if nothing else is said."""
    return text if isinstance(text, bytes) else text.encode(encoding or "utf-8", errors)


def random_str(size: int = 32) -> str:
    """Give letters and digits by chance."""
    return base64.b64encode(os.urandom(size)).decode("ascii")[:size]


def uuid_of(value: object) -> str:
    """Give the id that belongs to the text: the same one every time."""
    return str(uuid.uuid5(_UUID_ROOT, str(value)))


def strftime(value: Any = None, format: str = "%Y-%m-%d") -> str:  # noqa: A002, ANN401
    """Write a moment (a date, seconds since 1970, or a date as text) in the given format."""
    return _moment(value).strftime(format)


def _moment(value: Any) -> date:  # noqa: ANN401
    if isinstance(value, date):
        return value
    if not value:
        return datetime.now(tz=UTC).astimezone()
    if isinstance(value, int | float) or re.fullmatch(r"[0-9.]+", str(value)):
        return datetime.fromtimestamp(float(value), tz=UTC).astimezone()
    text = str(value).strip()
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    for pattern in _DATES:
        try:
            return datetime.strptime(text, pattern)  # noqa: DTZ007 (the text says no zone)
        except ValueError:
            continue
    raise ValueError(f"{text[:80]!r} is no date that is understood; write it as 2020-01-31")


_DATES: Final = (
    "%Y/%m/%d",
    "%d.%m.%Y",
    "%m/%d/%Y",
    "%d %b %Y",
    "%d %B %Y",
    "%b %d %Y",
    "%B %d, %Y",
    "%b %d, %Y",
    "%a %b %d %H:%M:%S %Y",
    "%a, %d %b %Y %H:%M:%S %z",
    "%Y/%m/%d %H:%M:%S",
    "%Y%m%d",
    "%H:%M",
    "%H:%M:%S",
)


@passing_undefined
def tojson(value: Any, indent: int | None = None, **options: Any) -> str:  # noqa: ANN401
    """Write data as JSON in which nothing can end a script or an attribute of HTML."""
    options.setdefault("ensure_ascii", True)
    text = json.dumps(value, indent=indent, **options)
    for letter in "<>&'":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def skip(_value: object) -> str:
    """Print nothing."""
    return ""


FILTERS: Final[dict[str, Any]] = {
    "check_whitelist_blacklist": check_whitelist_blacklist,
    "contains_whitespace": contains_whitespace,
    "date_format": strftime,
    "human_to_bytes": human_to_bytes,
    "is_hex": is_hex,
    "path_join": lambda *parts, **_options: _path_join(*parts),
    "quote": shlex.quote,
    "random_str": random_str,
    "regex_escape": re.escape,
    "regex_match": regex_match,
    "regex_replace": regex_replace,
    "regex_search": regex_search,
    "skip": skip,
    "str_to_num": to_num,
    "strftime": strftime,
    "to_bool": to_bool,
    "to_bytes": to_bytes,
    "to_camelcase": to_camelcase,
    "to_num": to_num,
    "to_snake_case": to_snake_case,
    "tojson": tojson,
    "uuid": uuid_of,
    "yaml_dquote": yaml_text.double_quoted,
    "yaml_encode": yaml_text.scalar,
    "yaml_squote": yaml_text.single_quoted,
}


def _path_join(*parts: Any) -> str:  # noqa: ANN401
    """Join parts of a path; an absolute later part does not begin anew."""
    found = [str(each) for each in parts if str(each)]
    if not found:
        return ""
    head, *tail = found
    return os.path.normpath(os.path.join(head, *(each.lstrip("/") for each in tail)))
