r"""The forms of output for programs: JSON, YAML and Salt's `txt`.

Whatever a function returned comes out as valid JSON or YAML: bytes become text (`\xff` where they
are no UTF-8), keys become text, numbers that JSON has no word for become text. Nothing in any form
can act on a terminal.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from msgspec import DecodeError
from msgspec.json import format as format_json

from limpet.common.terminal.escape import decoded, lines

Form = Literal["json", "yaml", "txt"]

DEPTH_MAX: Final = 200


def plain(value: Any, depth: int = 0) -> Any:  # noqa: ANN401
    """Turn any value into what JSON and YAML can hold."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if depth > DEPTH_MAX:
        return "…"
    if isinstance(value, Mapping):
        return {_key(key): plain(member, depth + 1) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [plain(member, depth + 1) for member in value]
    if isinstance(value, set | frozenset):
        return [plain(member, depth + 1) for member in sorted(value, key=str)]
    if isinstance(value, bytes | bytearray):
        return decoded(bytes(value))
    if isinstance(value, float):
        return value if value - value == 0 else str(value)  # not for NaN and infinities
    isoformat = getattr(value, "isoformat", None)
    return isoformat() if callable(isoformat) else str(value)


def _key(key: object) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, bytes):
        return decoded(key)
    if isinstance(key, bool):
        return "true" if key else "false"
    return "null" if key is None else str(key)


def json_text(value: Any, *, indent: int | None = 4) -> str:  # noqa: ANN401
    """Give JSON in ASCII, without a line end; `indent` None: on one line."""
    import json

    shown = plain(value)
    text = json.dumps(shown, allow_nan=False)
    if indent is not None:  # the encoder's own way is one for each value in Python
        try:
            text = format_json(text, indent=indent)
        except DecodeError:  # half of a surrogate pair: a name that is no UTF-8
            text = json.dumps(shown, indent=indent, allow_nan=False)
    return text.replace("\x7f", "\\u007f")


def yaml_text(value: Any) -> str:  # noqa: ANN401
    """Give YAML in block style, in ASCII, ending with a line end."""
    import yaml

    text: str = yaml.dump(
        plain(value), Dumper=_dumper(), default_flow_style=False, sort_keys=True, width=4096
    )
    return text.removesuffix("...\n")


def _dumper() -> Any:  # noqa: ANN401
    """Give the dumper: the quick one, writing a value that occurs twice twice (no aliases)."""
    import yaml

    base: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

    class Dumper(base):  # type: ignore[misc]
        def ignore_aliases(self, data: object) -> bool:
            return True

    return Dumper


def txt_lines(name: str, value: Any) -> Iterator[str]:  # noqa: ANN401
    """Give Salt's `txt` form: the name before each line of the value."""
    text = value if isinstance(value, str) else str(plain(value))
    empty = True
    for line in lines(text):
        empty = False
        yield f"{name}: {line}"
    if empty:
        yield f"{name}: "
