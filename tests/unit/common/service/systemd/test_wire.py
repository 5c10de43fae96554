"""D-Bus messages as bytes: known ones, and any value there and back."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limpet.common.service.systemd import wire
from limpet.common.service.systemd.wire import Interface, Variant, WireError

MANAGER = Interface("/a", "b.C", "d.E")


@pytest.mark.parametrize(
    ("signature", "values", "data"),
    [
        ("y", (7,), "07"),
        ("yu", (1, 2), "01000000 02000000"),
        ("s", ("foo",), "03000000 666f6f00"),
        ("g", ("ai",), "02 6169 00"),
        ("b", (True,), "01000000"),
        ("n", (-2,), "feff"),
        ("t", (2**64 - 1,), "ffffffffffffffff"),
        ("d", (1.0,), "000000000000f03f"),
        ("au", ([1, 2],), "08000000 01000000 02000000"),
        ("as", (["a", "bc"],), "0f000000 01000000 6100 0000 02000000 6263 00"),
        # The padding before the first element is there without one, and is not counted.
        ("at", ([],), "00000000 00000000"),
        ("at", ([5],), "08000000 00000000 0500000000000000"),
        ("v", (Variant("u", 9),), "01 75 00 00 09000000"),
        ("yv", (1, Variant("s", "x")), "01 01 73 00 01000000 78 00"),
        ("y(yu)", (1, (2, 3)), "01 00000000000000 02 000000 03000000"),
        (
            "a{sv}",
            ([("k", Variant("b", False))],),
            "10000000 00000000 01000000 6b00 01 62 00 000000 00000000",
        ),
    ],
)  # fmt: skip
def test_values_are_written_as_the_specification_says(
    signature: str, values: tuple[Any, ...], data: str
) -> None:
    written = bytes.fromhex(data)

    assert wire.encode(signature, values) == written
    assert wire.decode(signature, written) == values


def test_a_call_is_written_byte_for_byte() -> None:
    data = wire.method_call(5, MANAGER, "Go", "s", ("x",))

    assert data == bytes.fromhex(
        "6c 01 00 01 06000000 05000000 47000000"  # little endian, call, version 1, body, serial
        "01 01 6f 00 02000000 2f61 00 0000000000"  # path
        "02 01 73 00 03000000 622e43 00 00000000"  # interface
        "03 01 73 00 02000000 476f 00 0000000000"  # member
        "06 01 73 00 03000000 642e45 00 00000000"  # destination
        "08 01 67 00 01 73 00 00"  # signature, and padding that the length above leaves out
        "01000000 78 00"
    )


SIMPLE = {
    "y": st.integers(0, 255),
    "b": st.booleans(),
    "n": st.integers(-(2**15), 2**15 - 1),
    "q": st.integers(0, 2**16 - 1),
    "i": st.integers(-(2**31), 2**31 - 1),
    "u": st.integers(0, 2**32 - 1),
    "x": st.integers(-(2**63), 2**63 - 1),
    "t": st.integers(0, 2**64 - 1),
    "d": st.floats(allow_nan=False),
    "h": st.integers(0, 2**32 - 1),
    "s": st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12),
    "o": st.sampled_from(["/", "/a", "/org/freedesktop/systemd1"]),
    "g": st.sampled_from(["", "s", "a(sv)", "au"]),
}


def _types(depth: int) -> st.SearchStrategy[str]:
    simple = st.sampled_from([*SIMPLE, "v"])
    if depth == 0:
        return simple
    inner = _types(depth - 1)
    return st.one_of(
        simple,
        inner.map(lambda kind: f"a{kind}"),
        st.lists(inner, min_size=1, max_size=3).map(lambda kinds: f"({''.join(kinds)})"),
        st.tuples(st.sampled_from("sut"), inner).map(lambda pair: "a{" + "".join(pair) + "}"),
    )


def _values(kind: str, depth: int = 0) -> st.SearchStrategy[Any]:
    if kind in SIMPLE:
        return SIMPLE[kind]
    if kind == "v":
        inner = _types(1 if depth < 2 else 0)
        if depth >= 2:
            inner = st.sampled_from([*SIMPLE])
        return inner.flatmap(
            lambda found: _values(found, depth + 1).map(lambda value: Variant(found, value))
        )
    if kind[0] == "a":
        return st.lists(_values(kind[1:], depth), max_size=3)
    return st.tuples(*(_values(member, depth) for member in wire.types_of(kind[1:-1])))


WRITABLE = (
    st.lists(_types(2), max_size=3)
    .map("".join)
    .flatmap(
        lambda signature: st.tuples(
            st.just(signature), st.tuples(*(_values(kind) for kind in wire.types_of(signature)))
        )
    )
)


@given(WRITABLE)
def test_any_values_come_back_as_they_were(case: tuple[str, tuple[Any, ...]]) -> None:
    signature, values = case

    assert wire.decode(signature, wire.encode(signature, values)) == values


@given(WRITABLE, st.integers(1, 2**32 - 1), st.integers(0, 64), st.binary(max_size=40))
def test_a_message_is_found_in_what_was_received_once_it_is_whole(
    case: tuple[str, tuple[Any, ...]], serial: int, missing: int, after: bytes
) -> None:
    signature, values = case
    body = wire.encode(signature, values)
    fields = wire.reply_fields(serial, signature[:255], "a.B")
    data = wire.message(wire.ERROR, 3, fields, body)

    assert wire.split(data[: max(0, len(data) - 1 - missing)]) == (None, data[: max(0, len(data) - 1 - missing)])  # fmt: skip  # noqa: E501
    found, rest = wire.split(data + after)
    assert found is not None
    assert (found.kind, found.serial, found.reply_to) == (wire.ERROR, 3, serial)
    assert (found.error_name, found.signature, found.body) == ("a.B", signature, body)
    assert rest == after


@given(st.sampled_from(["a(sv)", "ssa(sv)", "v", "as", "yyyyuua(yv)"]), st.binary(max_size=80))
def test_nonsense_is_refused_and_nothing_else_happens(signature: str, data: bytes) -> None:
    try:
        wire.decode(signature, data)
        wire.split(b"l\2\0\1" + data)
    except WireError:
        return


@pytest.mark.parametrize(
    ("signature", "values"),
    [
        ("y", (256,)),
        ("u", (-1,)),
        ("u", ("1",)),
        ("s", (b"bytes",)),
        ("s", ("a\0b",)),
        ("s", ("\udc80",)),
        ("ss", ("one",)),
        ("(ss)", (("one",),)),
        ("g", ("s" * 256,)),
        ("v", (Variant("ss", ("a", "b")),)),
        ("e", (1,)),
        ("a", ([],)),
        ("(s", (("x",),)),
        ("()", ((),)),
        ("a{s}", ([("x",)],)),
        ("a" * 100 + "y", ([],)),
    ],
)
def test_what_has_no_place_is_refused(signature: str, values: tuple[Any, ...]) -> None:
    with pytest.raises(WireError):
        wire.encode(signature, values)


@pytest.mark.parametrize(
    "data",
    [
        b"B\1\0\1" + bytes(12),  # big endian
        b"l\1\0\2" + bytes(12),  # another version
        b"l\1\0\1" + (2**30).to_bytes(4, "little") + bytes(8),  # a body of a gibibyte
    ],
)
def test_what_is_no_message_of_ours_is_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        wire.split(data)
