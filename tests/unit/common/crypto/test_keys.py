"""Keys and their texts: one text of each kind for one key, and nothing else is a key."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limpet.common.crypto.keys import (
    decode_base32,
    decode_key,
    decode_public_key,
    decode_z85,
    encode_base32,
    encode_z85,
    fingerprint,
    is_weak,
    minion_key,
)
from limpet.common.errors import UsageError
from limpet.common.transport.sockets import make_keypair

KEYS = st.binary(min_size=32, max_size=32)
FIELD = 2**255 - 19


@given(key=KEYS)
def test_a_key_survives_each_of_its_texts(key: bytes) -> None:
    for text in (encode_base32(key), encode_z85(key), key.hex()):
        assert decode_key(text) == key
        assert decode_key(text.encode()) == key
    assert len(encode_base32(key)) == 52


@given(data=st.binary(max_size=50))
def test_base32_has_one_text_for_any_bytes(data: bytes) -> None:
    assert decode_base32(encode_base32(data)) == data


def test_z85_is_the_one_of_zeromq() -> None:
    assert encode_z85(bytes.fromhex("864fd26fb559f75b")) == "HelloWorld"
    assert decode_z85("HelloWorld") == bytes.fromhex("864fd26fb559f75b")


@pytest.mark.covers("A17")
@given(
    key=KEYS,
    before=st.text("\ufeff \t\r\n", max_size=3),
    after=st.text(" \t\r\n\0", max_size=4),
)
def test_blanks_line_ends_and_byte_order_marks_change_no_identity(
    key: bytes, before: str, after: str
) -> None:
    for text in (encode_base32(key), encode_z85(key), key.hex()):
        assert decode_key((before + text + after).encode()) == key


@pytest.mark.parametrize(
    "text, reason",
    [
        ("", "this has 0"),
        ("a" * 51, "this has 51"),
        ("A" * 52, "a to z and 2 to 7"),
        ("a" * 51 + "b", "damaged"),  # bits that no key has
        ("1" * 52, "a to z and 2 to 7"),
        ("AB" * 32, "lower-case hex"),
        ("g" * 64, "lower-case hex"),
        ("#" * 40, "not the Z85 text"),  # over 32 bits
        ("~" * 40, "does not belong into a Z85"),
        (b"\xff" * 52, "ASCII"),
        ("é" * 52, "a to z and 2 to 7"),
    ],
)
def test_a_text_that_is_not_the_one_of_a_key_is_refused(text: str | bytes, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        decode_key(text)


@pytest.mark.parametrize(
    "number",
    [
        0,
        1,
        FIELD - 1,
        FIELD,
        FIELD + 1,
        2**256 - 1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
        2**255 | 9,  # the base point with the bit that is ignored
    ],
)
def test_points_of_low_order_and_second_texts_of_a_point_are_refused(number: int) -> None:
    key = number.to_bytes(32, "little")
    assert is_weak(key)
    assert is_weak(minion_key(key))
    with pytest.raises(UsageError, match="not a usable public key"):
        decode_public_key(encode_base32(key))


def test_low_order_points_really_are_of_low_order() -> None:
    """Eight times such a point is the point at infinity (Montgomery ladder's doubling)."""
    from limpet.common.crypto import keys

    for number in keys._LOW_ORDER:
        x, z = number, 1
        for _ in range(3):
            a, b = (x + z) ** 2 % FIELD, (x - z) ** 2 % FIELD
            x, z = a * b % FIELD, (a - b) * (b + 121666 * (a - b)) % FIELD
        assert z == 0


def test_real_keys_are_not_weak() -> None:
    for _ in range(20):
        public, _secret = make_keypair()
        assert not is_weak(public)


@pytest.mark.covers("R-3.16")
def test_a_fingerprint_is_ten_groups_and_the_same_for_each_form_of_the_key() -> None:
    key = bytes(range(32))
    digits = hashlib.sha256(key).hexdigest()[:40]
    shown = fingerprint(key)
    assert shown == fingerprint(minion_key(key))
    assert shown.replace(":", "") == digits
    assert [len(group) for group in shown.split(":")] == [4] * 10
