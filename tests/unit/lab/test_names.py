"""The lab's DNS server answers as resolvers expect, and as it is told."""

import socket
import struct
from pathlib import Path

import pytest

from limpet_lab.names import Names


def question(name: str, kind: int = 1) -> bytes:
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return (
        struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", kind, 1)
    )


def read(answer: bytes | None) -> tuple[int, str | None]:
    """Give the answer's code and address."""
    assert answer is not None
    ident, flags, _, answers = struct.unpack(">HHHH", answer[:8])
    assert (ident, flags & 0x8000) == (7, 0x8000)
    return flags & 0xF, socket.inet_ntoa(answer[-4:]) if answers else None


@pytest.fixture
def names(tmp_path: Path) -> Names:
    found = Names(tmp_path / "names.json")
    found.set("master", "10.77.0.2")
    return found


def test_a_name_means_its_present_address(names: Names) -> None:
    assert read(names.answer(question("Master"))) == (0, "10.77.0.2")
    names.set("master", "10.77.0.3")
    assert read(names.answer(question("master"))) == (0, "10.77.0.3")
    names.remove("master")
    assert read(names.answer(question("master"))) == (3, None)


def test_a_name_has_no_other_records(names: Names) -> None:
    assert read(names.answer(question("master", kind=28))) == (0, None)
    assert read(names.answer(question("nobody", kind=28))) == (3, None)


def test_it_fails_or_is_silent_as_it_is_told(names: Names) -> None:
    names.mode("fail")
    assert read(names.answer(question("master"))) == (2, None)
    names.mode("silent")
    assert names.answer(question("master")) is None
    names.mode("answer")
    assert read(names.answer(question("master"))) == (0, "10.77.0.2")


@pytest.mark.parametrize("packet", [b"", b"\0" * 12, b"\0" * 12 + b"\xff" * 9, question("a")[:16]])
def test_what_is_no_question_ends_nothing(names: Names, packet: bytes) -> None:
    names.answer(packet)
