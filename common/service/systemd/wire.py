"""D-Bus messages as bytes and back: the small part of the format that a call to systemd needs.

    encode("sa(sv)", ("name", [("Key", Variant("s", "value"))]))
    decode("ss", data)
    method_call(1, MANAGER, "Subscribe")          a whole message
    split(data)                                   the first whole message of what was received

Little endian, as every sender may choose. Pure: who carries the bytes is `manager.py`. The format
is that of the D-Bus specification, "Message Format" and "Type System".
"""

import struct
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

MESSAGE_BYTES_MAX: Final = 1024 * 1024
"""Longest message that is read; what systemd says of one unit is far below."""
DEPTH_MAX: Final = 32
"""Containers in containers, as many of each kind as the specification allows."""

METHOD_CALL: Final = 1
METHOD_RETURN: Final = 2
ERROR: Final = 3
SIGNAL: Final = 4

_FIXED: Final = {
    "y": ("<B", 1),
    "b": ("<I", 4),
    "n": ("<h", 2),
    "q": ("<H", 2),
    "i": ("<i", 4),
    "u": ("<I", 4),
    "x": ("<q", 8),
    "t": ("<Q", 8),
    "d": ("<d", 8),
    "h": ("<I", 4),
}
_ALIGNMENT: Final = {"s": 4, "o": 4, "g": 1, "a": 4, "v": 1, "(": 8, "{": 8}
_PATH, _INTERFACE, _MEMBER, _ERROR_NAME, _REPLY_SERIAL = 1, 2, 3, 4, 5
_DESTINATION, _SIGNATURE = 6, 8
_FIXED_HEADER: Final = 16


class WireError(ValueError):
    """Bytes that are no D-Bus message, or a value that its signature has no place for."""


class Variant(NamedTuple):
    """A value that says its own type: one complete type."""

    signature: str
    value: Any


class Interface(NamedTuple):
    """Where a method is."""

    path: str
    name: str
    destination: str


class Message(NamedTuple):
    """One message as it was received."""

    kind: int
    serial: int
    reply_to: int
    """The serial of the call that this answers; 0: it is no answer."""
    member: str
    error_name: str
    """As in `org.freedesktop.systemd1.UnitExists`; only an error has one."""
    signature: str
    body: bytes


def types_of(signature: str) -> list[str]:
    """Take a signature apart into its complete types. Raises `WireError`."""
    found: list[str] = []
    at = 0
    while at < len(signature):
        end = _end_of_type(signature, at, 0)
        found.append(signature[at:end])
        at = end
    return found


def _end_of_type(signature: str, at: int, depth: int) -> int:
    """Give where the complete type ends that begins here."""
    if at >= len(signature) or depth > 2 * DEPTH_MAX:
        raise WireError(f"the signature {signature!r} ends too early or is too deep")
    code = signature[at]
    if code in _FIXED or code in "sogv":
        return at + 1
    if code == "a":
        return _end_of_type(signature, at + 1, depth + 1)
    if code not in "({":
        raise WireError(f"the signature {signature!r} holds the unknown type {code!r}")
    closing = ")" if code == "(" else "}"
    end = at + 1
    members = 0
    while end < len(signature) and signature[end] != closing:
        end = _end_of_type(signature, end, depth + 1)
        members += 1
    if end >= len(signature) or members == 0 or (code == "{" and members != 2):
        raise WireError(f"the signature {signature!r} holds a container that is not closed or full")
    return end + 1


# --- writing --------------------------------------------------------------------------------------


def encode(signature: str, values: Sequence[Any]) -> bytes:
    """Write values of these types, from an offset of 0. Raises `WireError`."""
    types = types_of(signature)
    if len(types) != len(values):
        raise WireError(f"{len(values)} values for the {len(types)} types of {signature!r}")
    data = bytearray()
    for kind, value in zip(types, values, strict=True):
        _write(data, kind, value)
    return bytes(data)


def _write(data: bytearray, kind: str, value: Any) -> None:  # noqa: ANN401
    code = kind[0]
    if code in _FIXED:
        form, size = _FIXED[code]
        _pad(data, size)
        try:
            data += struct.pack(form, value)
        except struct.error as error:
            raise WireError(f"{value!r} is no value of the type {code!r}: {error}") from error
    elif code in "so":
        _pad(data, 4)
        text = _text(value)
        data += struct.pack("<I", len(text)) + text + b"\0"
    elif code == "g":
        text = _text(value)
        if len(text) > 255:
            raise WireError("a signature has at most 255 characters")
        data += bytes([len(text)]) + text + b"\0"
    elif code == "v":
        if len(types_of(value.signature)) != 1:
            raise WireError(f"a variant holds one complete type, not {value.signature!r}")
        _write(data, "g", value.signature)
        _write(data, value.signature, value.value)
    elif code == "a":
        _write_array(data, kind[1:], value)
    else:
        _pad(data, 8)
        members = types_of(kind[1:-1])
        if len(members) != len(value):
            raise WireError(f"{len(value)} members for the type {kind!r}")
        for member, each in zip(members, value, strict=True):
            _write(data, member, each)


def _write_array(data: bytearray, kind: str, values: Sequence[Any]) -> None:
    _pad(data, 4)
    place = len(data)
    data += bytes(4)
    _pad(data, _alignment(kind))  # which does not count as the array's, not even where it is empty
    begin = len(data)
    for value in values:
        _write(data, kind, value)
    struct.pack_into("<I", data, place, len(data) - begin)


def _text(value: object) -> bytes:
    if not isinstance(value, str):
        raise WireError(f"{value!r} is no text")
    try:
        text = value.encode()
    except UnicodeEncodeError as error:
        raise WireError(f"{value!r} can't be written as UTF-8") from error
    if b"\0" in text:
        raise WireError("a text must not hold a zero byte")
    return text


def _pad(data: bytearray, alignment: int) -> None:
    data += bytes(-len(data) % alignment)


def _alignment(kind: str) -> int:
    return _FIXED[kind[0]][1] if kind[0] in _FIXED else _ALIGNMENT[kind[0]]


# --- reading --------------------------------------------------------------------------------------


def decode(signature: str, data: bytes) -> tuple[Any, ...]:
    """Read values of these types, which are all that there is. Raises `WireError`."""
    reader = _Reader(data)
    values = tuple(reader.read(kind, 0) for kind in types_of(signature))
    if reader.at != len(data):
        raise WireError(f"{len(data) - reader.at} bytes follow the values of {signature!r}")
    return values


class _Reader:
    """Reads on from `at`; never past the end."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def read(self, kind: str, depth: int) -> Any:  # noqa: ANN401
        """Read one value of a complete type."""
        if depth > 2 * DEPTH_MAX:
            raise WireError("values are nested too deep")
        code = kind[0]
        if code in _FIXED:
            form, size = _FIXED[code]
            self.align(size)
            (value,) = struct.unpack(form, self.take(size))
            if code != "b":
                return value
            if value > 1:
                raise WireError(f"{value} is no truth value")
            return bool(value)
        if code in "so":
            self.align(4)
            return self._text(int.from_bytes(self.take(4), "little"))
        if code == "g":
            return self._text(self.take(1)[0])
        if code == "v":
            signature = self.read("g", depth)
            if len(types_of(signature)) != 1:
                raise WireError(f"a variant of the type {signature!r}")
            return Variant(signature, self.read(signature, depth + 1))
        if code == "a":
            return self._array(kind[1:], depth)
        self.align(8)
        return tuple(self.read(member, depth + 1) for member in types_of(kind[1:-1]))

    def _array(self, kind: str, depth: int) -> list[Any]:
        self.align(4)
        size = int.from_bytes(self.take(4), "little")
        self.align(_alignment(kind))
        end = self.at + size
        if end > len(self.data):
            raise WireError(f"an array of {size} bytes goes past the end")
        values: list[Any] = []
        while self.at < end:
            values.append(self.read(kind, depth + 1))
        if self.at != end:
            raise WireError("an array ends in the middle of a value")
        return values

    def align(self, alignment: int) -> None:
        """Pass over the padding, which must be zero."""
        if any(self.take(-self.at % alignment)):
            raise WireError("padding is not zero")

    def take(self, size: int) -> bytes:
        """Take the next bytes."""
        end = self.at + size
        if end > len(self.data):
            raise WireError(f"{size} bytes are wanted where {len(self.data) - self.at} are left")
        piece = self.data[self.at : end]
        self.at = end
        return piece

    def _text(self, size: int) -> str:
        piece = self.take(size + 1)
        if piece[-1] != 0 or b"\0" in piece[:-1]:
            raise WireError("a text does not end where it says, with a zero byte")
        try:
            return piece[:-1].decode()
        except UnicodeDecodeError as error:
            raise WireError("a text is not UTF-8") from error


# --- messages -------------------------------------------------------------------------------------


def method_call(
    serial: int, where: Interface, member: str, signature: str = "", values: Sequence[Any] = ()
) -> bytes:
    """Write a call that wants an answer. Raises `WireError`."""
    body = encode(signature, values)
    fields = [
        (_PATH, Variant("o", where.path)),
        (_INTERFACE, Variant("s", where.name)),
        (_MEMBER, Variant("s", member)),
        (_DESTINATION, Variant("s", where.destination)),
    ]
    if signature:
        fields.append((_SIGNATURE, Variant("g", signature)))
    return message(METHOD_CALL, serial, fields, body)


def message(
    kind: int, serial: int, fields: Sequence[tuple[int, Variant]], body: bytes = b""
) -> bytes:
    """Write a whole message of header fields (by their number) and an encoded body."""
    start = (ord("l"), kind, 0, 1, len(body), serial, fields)
    header = bytearray(encode("yyyyuua(yv)", start))
    _pad(header, 8)
    return bytes(header) + body


def split(data: bytes) -> tuple[Message | None, bytes]:
    """Give the first message and what follows it; None: it is not whole yet. Raises `WireError`."""
    if len(data) < _FIXED_HEADER:
        return None, data
    if data[0] != ord("l") or data[3] != 1:
        raise WireError("what was received is no message of version 1 in little endian")
    body_bytes, serial, fields_bytes = struct.unpack_from("<III", data, 4)
    header_bytes = _FIXED_HEADER + fields_bytes + -fields_bytes % 8
    if header_bytes + body_bytes > MESSAGE_BYTES_MAX:
        raise WireError(f"a message of {header_bytes + body_bytes} bytes is too long")
    if len(data) < header_bytes + body_bytes:
        return None, data
    *_, fields = decode("yyyyuua(yv)", data[: _FIXED_HEADER + fields_bytes])
    known = {code: variant.value for code, variant in fields}
    found = Message(
        kind=data[1],
        serial=serial,
        reply_to=_whole(known.get(_REPLY_SERIAL, 0)),
        member=str(known.get(_MEMBER, "")),
        error_name=str(known.get(_ERROR_NAME, "")),
        signature=str(known.get(_SIGNATURE, "")),
        body=data[header_bytes : header_bytes + body_bytes],
    )
    return found, data[header_bytes + body_bytes :]


def reply_fields(
    reply_to: int, signature: str = "", error_name: str = ""
) -> list[tuple[int, Variant]]:
    """Give the header fields of an answer."""
    fields = [(_REPLY_SERIAL, Variant("u", reply_to))]
    if error_name:
        fields.append((_ERROR_NAME, Variant("s", error_name)))
    if signature:
        fields.append((_SIGNATURE, Variant("g", signature)))
    return fields


def _whole(value: object) -> int:
    if not isinstance(value, int):
        raise WireError("the serial that a message answers is no number")
    return value
