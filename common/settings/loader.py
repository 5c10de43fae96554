"""Files into structs: checks of the file, of its keys, of the type and bounds of each value.

A struct that is read from a file is a `Configuration`: it says which keys may hold one value
instead of a list, which hold durations or sizes, and what else it wants of its values.
"""

import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar, get_args, get_origin

import msgspec

from limpet.common.errors import SourceError, UsageError
from limpet.common.settings.source import BYTES_MAX, Source, Value, read_source
from limpet.common.settings.source import Path as Way

COMMAND_LINE: Final = "the command line"

_DURATION: Final = re.compile(r"\A(\d+(?:\.\d+)?)\s*(s|m|h|d|w)\Z")
_DURATION_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SIZE: Final = re.compile(r"\A(\d+(?:\.\d+)?)\s*([kmgt])(?:i?b)?\Z", re.IGNORECASE)
_SIZE_UNITS: Final = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_MESSAGE_PLACE: Final = re.compile(r" - at `(?:key in )?\$([^`]*)`\Z")
_STEP: Final = re.compile(r"\.([^.\[]+)|\[(\d+)\]|\[\.\.\.\]")


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """The base of what is read from a configuration file; keys are the encoded field names."""

    LISTS: ClassVar[tuple[str, ...]] = ()
    """Keys of lists for which one value may stand alone."""
    ROOTS: ClassVar[tuple[str, ...]] = ()
    """Keys of directories by environment; relative ones are taken from the file's directory."""
    DURATIONS: ClassVar[tuple[str, ...]] = ()
    """Keys of seconds, which may have a unit: `90`, `15m`, `24h`, `30d`."""
    SIZES: ClassVar[tuple[str, ...]] = ()
    """Keys of bytes, which may have a unit: `512M`, `2G` (of 1,024)."""
    SECRETS: ClassVar[tuple[str, ...]] = ()
    """Keys whose presence means that nobody else should read the file; see `exposed_secrets`."""
    ELSEWHERE: ClassVar[Mapping[str, str]] = {}
    """Salt's keys that have another name or no use here, with what to do instead."""

    def faults(self) -> Iterator[tuple[Way, str]]:
        """Say what the types can't: the way to a wrong value, and what is wrong."""
        yield from ()


T = TypeVar("T", bound=Configuration)


def load(kind: type[T], path: Path) -> T:
    """Read a configuration file and those beside it in `NAME.d`, in the order of their names.

    A later file wins; mappings are merged key by key. What does not exist is empty. Raises
    `SourceError` naming the file, the line, the key and what to do.
    """
    return _made(kind, [read_source(_read(each), str(each)) for each in files_of(path)])


def files_of(path: Path) -> tuple[Path, ...]:
    """Give a configuration file and the files of its directory: `minion.d/*.yaml`, sorted."""
    directory = path.with_suffix(".d")
    try:
        names = sorted(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return (path,)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise SourceError(f"can't be read: {reason}", str(directory)) from error
    return (
        path,
        *(
            directory / name
            for name in names
            if name.endswith(".yaml") and not name.startswith(".")
        ),
    )


def exposed_secrets(configuration: Configuration, path: Path) -> tuple[str, ...]:
    """Give a line for each secret of a file that others than its owner may read.

    That is a warning and no refusal: the secret is out already, and a host that stays away because
    of it would need somebody to log in there.
    """
    found: list[str] = []
    for each in files_of(path):
        try:
            mode = each.stat().st_mode
        except OSError:
            continue  # no file, or none that can be looked at: nothing came from it
        if not mode & 0o077:
            continue
        data = read_source(_read(each), str(each)).data
        found += (
            f"{each} holds a secret ({key}), but others may read the file: chmod 600 {each}"
            for key in configuration.SECRETS
            if isinstance(data, dict) and data.get(key) is not None
        )
    return tuple(found)


def at_key(path: Path, key: str, value: object, message: str) -> SourceError | None:
    """Make an error at the line of a key that has this value in the file; None if it has not.

    For what turns out only when the value is used, such as a port that somebody else holds.
    """
    for each in reversed(files_of(path)):
        source = read_source(_read(each), str(each))
        if isinstance(source.data, dict) and source.data.get(key) == value:
            return source.error(message, (key,))
    return None


def load_text(kind: type[T], text: str, name: str, directory: Path = Path()) -> T:
    """Read configuration from text that `name` describes. Raises `SourceError`."""
    return convert(kind, read_source(text.encode(), name), directory)


def with_options(configuration: T, options: Mapping[str, Any]) -> T:
    """Put options of the command line over a configuration, checked in the same way.

    `options` are keys as in the file; None means not given. Raises `UsageError`.
    """
    given = {key: value for key, value in options.items() if value is not None}
    if not given:
        return configuration
    data = {**msgspec.to_builtins(configuration), **given}
    for key, value in msgspec.to_builtins(type(configuration)()).items():
        if key not in given and data[key] == value:
            del data[key]
    try:
        return convert(type(configuration), Source(COMMAND_LINE, data), Path())
    except SourceError as error:
        raise UsageError(str(error)) from error


def convert(kind: type[T], source: Source, directory: Path) -> T:
    """Turn data with places into a struct. Raises `SourceError`, the first in the file's order."""
    return _made(kind, [source], directory)


def _made(kind: type[T], sources: list[Source], directory: Path | None = None) -> T:
    """Make the struct of one or several files. `directory`: of relative paths; None: each file's.

    Raises `SourceError`, the first in the order of the files.
    """
    values: dict[str, Any] = {}
    for source in sources:
        beside = Path(source.name).parent if directory is None else directory
        values = _merged(values, _values(kind, source, beside))
    made = msgspec.convert(values, kind)
    for way, message in made.faults():
        holding = next((each for each in reversed(sources) if way[:1] in each.lines), sources[0])
        raise holding.error(f"{_spelled(way)}: {message}", way)
    return made


def _merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Lay one file's values over those of the files before it."""
    found = dict(under)
    for key, value in over.items():
        below = found.get(key)
        if isinstance(value, dict) and isinstance(below, dict):
            found[key] = _merged(below, value)
        else:
            found[key] = value
    return found


def _values(kind: type[Configuration], source: Source, directory: Path) -> dict[str, Any]:
    """Give the checked values of one file."""
    data = source.data
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise source.error("keys with values are expected, such as `log_level: info`")
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    values: dict[str, Any] = {}
    for key, value in data.items():
        if key not in fields:
            raise source.error(_unknown(key, kind, tuple(fields)), (key,))
        if value is None and fields[key].default is not None:
            continue  # `key:` with nothing behind it: the default, as in Salt
        plain = _normalised(kind, key, value, source, directory)
        try:
            msgspec.convert(plain, fields[key].type)
        except msgspec.ValidationError as error:
            raise _type_error(error, source, key, plain, fields[key].type) from error
        values[key] = plain
    return values


def _read(path: Path) -> bytes:
    """Read the file after looking who may write to it."""
    name = str(path)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return b""
    except OSError as error:
        if path.is_symlink():
            raise SourceError(
                "is a symbolic link, which is not followed: put the file itself here", name
            ) from error
        raise SourceError(
            f"can't be read: {os.strerror(error.errno or 0)}; check owner and mode", name
        ) from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise SourceError("is not a regular file", name)
        if found.st_mode & 0o002:
            raise SourceError(f"anybody may write to it: chmod o-w {path}", name)
        if found.st_uid not in (0, os.geteuid()):
            from limpet.common.service.paths import user_name

            raise SourceError(
                f"belongs to {user_name(found.st_uid)}, who is neither root nor the user of this "
                f"process: chown {user_name(os.geteuid())} {path}",
                name,
            )
        return _read_all(descriptor, name)
    finally:
        os.close(descriptor)


def _read_all(descriptor: int, name: str) -> bytes:
    """Read up to one byte more than is allowed."""
    data = b""
    try:
        while len(data) <= BYTES_MAX:
            piece = os.read(descriptor, BYTES_MAX + 1 - len(data))
            if not piece:
                break
            data += piece
    except OSError as error:
        raise SourceError(f"can't be read: {os.strerror(error.errno or 0)}", name) from error
    return data


def _unknown(key: str, kind: type[Configuration], known: tuple[str, ...]) -> str:
    advice = kind.ELSEWHERE.get(key)
    if advice is not None:
        return f"unknown key {key!a}: {advice}"
    import difflib

    close = difflib.get_close_matches(key.lower(), known, n=1)
    if close:
        return f"unknown key {key!a}; did you mean {close[0]!a}?"
    return f"unknown key {key!a}; keys of your own go under `custom:`"


def _normalised(
    kind: type[Configuration], key: str, value: Value, source: Source, directory: Path
) -> Any:  # noqa: ANN401
    """Bring the spellings that are allowed into the one that the struct has."""
    if key in kind.LISTS and not isinstance(value, (list, tuple)):
        return [value]
    if key in kind.ROOTS and isinstance(value, dict):
        return {
            environment: [
                str(directory / item) if isinstance(item, str) else item
                for item in (places if isinstance(places, (list, tuple)) else [places])
            ]
            for environment, places in value.items()
        }
    if isinstance(value, str) and key in kind.DURATIONS:
        return _measure(value, _DURATION, _DURATION_UNITS, "15m, 24h or 30d", source, key)
    if isinstance(value, str) and key in kind.SIZES:
        return int(_measure(value, _SIZE, _SIZE_UNITS, "512M or 2G", source, key))
    return value


def _measure(
    text: str,
    pattern: re.Pattern[str],
    units: Mapping[str, int],
    examples: str,
    source: Source,
    key: str,
) -> float:
    found = pattern.match(text.strip())
    if found is None:
        raise source.error(f"{key}: {text[:40]!a} has no such unit: write {examples}", (key,))
    return float(found[1]) * units[found[2].lower()]


def _type_error(
    error: msgspec.ValidationError,
    source: Source,
    key: str,
    value: Any,  # noqa: ANN401
    kind: Any,  # noqa: ANN401
) -> SourceError:
    """Find the place of what msgspec complains of, and say it in the words of the file."""
    text = str(error)
    place = _MESSAGE_PLACE.search(text)
    way: Way = (key,)
    if place is not None:
        text = text[: place.start()]
        for name, index in _STEP.findall(place[1]):
            step, value, kind = _step(value, kind, name, index)
            if step is None:
                break
            way = (*way, step)
    text = text.replace(" | null", "").replace("`", "").replace("array", "list")
    text = text.replace("object", "mapping").replace("Expected", "expected")
    hint = ""
    if "expected str, got" in text and isinstance(value, (bool, int, float)):
        hint = ": put it in quotes"
    elif text == "expected str, got mapping":
        hint = ": put a text that has a colon in quotes"
    elif isinstance(value, (int, float, str)) and "got" not in text:
        hint = f", not {str(value)[:60]!a}"
    return source.error(f"{_spelled(way)}: {text}{hint}", way)


def _step(value: Any, kind: Any, name: str, index: str) -> tuple[str | int | None, Any, Any]:  # noqa: ANN401
    """Go one step down a value and its type; the key of a mapping has to be found by trying."""
    arguments = get_args(kind)
    if name and isinstance(value, dict):
        return name, value.get(name), Any
    if index and isinstance(value, (list, tuple)):
        return int(index), value[int(index)], arguments[0] if arguments else Any
    if isinstance(value, dict) and get_origin(kind) is dict:
        for key, item in value.items():
            try:
                msgspec.convert({key: item}, kind)
            except msgspec.ValidationError:
                return key, item, arguments[1]
    return None, value, kind


def _spelled(way: Way) -> str:
    """Give the way to a value as people write it: `file_roots.base[0]`."""
    text = ""
    for step in way:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
