"""A minion's pillar as it travels from master to minion: MessagePack, and back again."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from limpet.common.errors import HostError
from limpet.states.pillar.compile import Pillar
from limpet.states.pillar.secrets import SecretKeys

_INTEGER_MIN: Final = -(2**63)
_INTEGER_MAX: Final = 2**64 - 1


class PillarBody(msgspec.Struct, frozen=True):
    """What the body holds; a mapping of these names."""

    data: dict[Any, Any]
    errors: list[str] = []
    """In Salt's words; with any of them no state runs."""
    places: dict[str, str] = {}
    """Of errors: `path:line` on the master."""
    secret_keys: list[str] = []
    """Names, globs and paths of keys below which nothing may be shown."""
    secret_paths: list[list[Any]] = []
    """The ways to values that pillar files mark as secret."""
    language: dict[str, Any] = {}
    """What the master's configuration says of how states render."""


_decoder: Final[msgspec.msgpack.Decoder[PillarBody]] = msgspec.msgpack.Decoder(PillarBody)


def encode_pillar(pillar: Pillar) -> bytes:
    """Give the body. What MessagePack has no word for becomes text."""
    return msgspec.msgpack.encode(
        PillarBody(
            _plain(pillar.data),
            [_text(each) for each in pillar.errors],
            {_text(key): _text(place) for key, place in pillar.places.items()},
            [*pillar.secret_keys.patterns],
            _plain(pillar.secret_paths),
            _plain(pillar.language),
        )
    )


def decode_pillar(body: bytes) -> Pillar:
    """Read a body. Raises `HostError` for what is none."""
    try:
        found = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError) as error:
        raise HostError(f"the pillar that the master gave can't be read: {error}") from error
    return Pillar(
        found.data,
        found.errors,
        secret_keys=SecretKeys(tuple(found.secret_keys)),
        secret_paths=found.secret_paths,
        places=found.places,
        language=found.language,
    )


def _plain(value: Any) -> Any:  # noqa: ANN401
    if type(value) is str:
        return value if value.isascii() else _text(value)
    if isinstance(value, dict):
        return {
            key if type(key) is str and key.isascii() else _key(key): _plain(each)
            for key, each in value.items()
        }
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    if isinstance(value, int):
        return int(value) if _INTEGER_MIN <= value <= _INTEGER_MAX else str(value)
    if isinstance(value, Mapping):
        return {_key(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, set | frozenset):
        return sorted((_plain(each) for each in value), key=str)
    return _text(str(value))


def _key(key: Any) -> Any:  # noqa: ANN401
    plain = _plain(key)
    return str(key) if isinstance(plain, list | dict) else plain


def _text(text: str) -> str:
    """Give a plain text; what is not Unicode in it is escaped."""
    plain = str.__str__(text)
    try:
        plain.encode()
    except UnicodeEncodeError:
        return plain.encode("utf-8", "backslashreplace").decode()
    return plain
