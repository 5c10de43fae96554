"""Arguments of execution functions on the command line: `VALUE` and `name=VALUE`, each YAML.

The rules are Salt's, because commands are copied from Salt: `5` is a number, `[a, b]` a list,
`{a: 1}` a mapping; what would lose something (a comment, a date, a mapping without braces) stays
the text that was typed. YAML is only imported where a value needs it: it takes a tenth of the time
of a quick command.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

from limpet.common.errors import UsageError
from limpet.common.messages.fields import ARGUMENTS_BYTES_MAX

_KEYWORD: Final = re.compile(r"\A([^\d\W][\w.-]*)=(?!=)(.*)\Z", re.DOTALL)
_PLAIN_TEXT: Final = re.compile(r"\A[A-Za-z/](?:[A-Za-z0-9_./@%+=,*?-]|:(?=[^ ]))*\Z")
_PLAIN_NUMBER: Final = re.compile(r"\A(?:[1-9][0-9]{0,17}|0[0-7]{0,17})\Z")
"""Decimal even with zeros in front, as Salt reads it: `umask=027` means its digits. What
begins with a zero and is not octal is a text to YAML and stays one: `09`."""
_WORDS_WITH_MEANING: Final = frozenset(
    ("true", "false", "yes", "no", "on", "off", "null", "none", "y", "n")
)


def parse_arguments(words: Iterable[str]) -> tuple[list[Any], dict[str, Any]]:
    """Sort the words of a command line into positional and keyword arguments, as Salt does."""
    positional: list[Any] = []
    keyword: dict[str, Any] = {}
    for word in words:
        found = _KEYWORD.match(word)
        if found is None:
            positional.append(parse_value(word))
        else:
            keyword[found[1]] = parse_value(found[2])
    return positional, keyword


def parse_value(text: str) -> Any:  # noqa: ANN401
    """Read one value as YAML where that loses nothing, else give the text."""
    if _PLAIN_NUMBER.match(text):
        return int(text)
    if _PLAIN_TEXT.match(text) and text.lower() not in _WORDS_WITH_MEANING:
        return text
    if not text.strip() or any(letter in text for letter in "\t\r\n"):
        return text
    if "_" in text and all(letter in "0123456789_" for letter in text.strip()):
        return text  # YAML would take 1_000 for a number
    if text == "None":
        return None
    return _from_yaml(text)


def _from_yaml(text: str) -> Any:  # noqa: ANN401
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    if re.search(r"[&*]", text) and _has_alias(text, loader):
        return text
    try:
        value = _load(text, loader)
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, RecursionError):
        return text
    if "#" in text and (value is None or isinstance(value, str)):
        return text
    if isinstance(value, dict):
        return value if text.startswith("{") and _is_sendable(value) else text
    if isinstance(value, list):
        return value if text.startswith("[") and _is_sendable(value) else text
    if value is None:
        return text if text == "!" else None
    if value == "" and text in ("|", "!", ">"):
        return text
    return value if isinstance(value, str | bool | int | float) else text


def _load(text: str, loader_type: Any) -> Any:  # noqa: ANN401
    """Read one document with a safe loader."""
    loader = loader_type(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def _has_alias(text: str, loader: Any) -> bool:  # noqa: ANN401
    """Say whether the text repeats a part of itself, which could grow without end."""
    import yaml

    try:
        return any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text, Loader=loader))
    except yaml.YAMLError:
        return True


def _is_sendable(value: Any) -> bool:  # noqa: ANN401
    """Say whether it has only what arguments may have: no dates, sets or bytes inside."""
    if isinstance(value, dict):
        return all(_is_sendable(key) and _is_sendable(member) for key, member in value.items())
    if isinstance(value, list):
        return all(_is_sendable(member) for member in value)
    return value is None or isinstance(value, str | bool | int | float)


def encode_arguments(positional: Iterable[Any], keyword: dict[str, Any]) -> bytes:
    """Give the MessagePack of `[positional, keyword]`.

    Raises `UsageError` where a value can't be sent (a number over 64 bits, an object) or all of
    them together are over 160 KiB.
    """
    import msgspec

    try:
        data = msgspec.msgpack.encode([list(positional), keyword])
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise UsageError(f"the arguments can't be sent: {error}") from error
    if len(data) > ARGUMENTS_BYTES_MAX:
        raise UsageError(
            f"the arguments take {len(data)} bytes, over {ARGUMENTS_BYTES_MAX}: put the data into "
            "a file that the minion can read"
        )
    return data
