"""Laws of the decoder: what was encoded comes back, and whatever else comes is one typed error."""

import random
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from limpet.common.errors import PeerError
from limpet.common.messages.enrolment import EnrolAnswer, EnrolRequest
from limpet.common.messages.fields import Message
from limpet.common.wire.codec import (
    Decoder,
    encode,
    enrol_answer_decoder,
    enrol_request_decoder,
    master_decoder,
    minion_decoder,
)
from support.messages import FROM_MASTER, FROM_MINION, any_of, to_plain

REASONS = {"empty", "oversize", "bad_encoding", "bad_type", "bad_schema"}
DECODERS: dict[str, Decoder[Any]] = {
    "master": master_decoder(),
    "minion": minion_decoder(),
    "enrol request": enrol_request_decoder(),
    "enrol answer": enrol_answer_decoder(),
}
SPOKEN: list[tuple[str, type[Message]]] = [
    *(("master", kind) for kind in FROM_MINION),
    *(("minion", kind) for kind in FROM_MASTER),
    ("enrol request", EnrolRequest),
    ("enrol answer", EnrolAnswer),
]


def outcome(decoder: Decoder[Any], frame: bytes) -> str:
    """Decode; gives 'message' or the reason. Anything but a PeerError fails the test."""
    try:
        message = decoder.decode(frame)
    except PeerError as error:
        reason, text = error.reason, str(error)
    else:
        assert isinstance(message, Message)
        return "message"
    assert reason in REASONS
    assert text.isascii()
    assert text.isprintable()
    assert len(text) < 2_500  # 200 characters, each at worst written as ten
    return reason


@pytest.mark.parametrize("decoder, kind", SPOKEN, ids=[kind.__name__ for _, kind in SPOKEN])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_what_was_encoded_comes_back(
    decoder: str, kind: type[Message], data: st.DataObject
) -> None:
    message = data.draw(any_of(kind))

    assert DECODERS[decoder].decode(encode(message)) == message


@pytest.mark.covers("B-18", "G2")
@settings(max_examples=300, deadline=None)
@given(frame=st.binary(max_size=300), decoder=st.sampled_from(sorted(DECODERS)))
@example(frame=b"\xc1", decoder="master")
@example(frame=b"", decoder="master")
def test_random_bytes_are_only_ever_a_peer_error(frame: bytes, decoder: str) -> None:
    outcome(DECODERS[decoder], frame)


@pytest.mark.covers("B-18", "G2")
@settings(max_examples=400, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_a_spoilt_message_is_a_message_or_a_peer_error(data: st.DataObject, seed: int) -> None:
    decoder, kind = data.draw(st.sampled_from(SPOKEN))
    frame = bytearray(encode(data.draw(any_of(kind))))
    chance = random.Random(seed)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(frame))
        match chance.randrange(4):
            case 0:
                frame[at] ^= 1 << chance.randrange(8)
            case 1:
                frame[at] = chance.choice(b"\xc0\xc1\xc4\xc6\xd9\xdb\xdc\xdd\xde\xdf\xff\x90\x80")
            case 2:
                del frame[at : at + chance.randint(1, 8)]
                frame = frame or bytearray(b"\0")
            case _:
                frame[at:at] = bytes(chance.randrange(256) for _ in range(chance.randint(1, 8)))

    outcome(DECODERS[decoder], bytes(frame))


@pytest.mark.covers("B-18")
@settings(max_examples=100, deadline=None)
@given(data=st.data(), rest=st.binary(min_size=1, max_size=20))
def test_a_frame_that_is_too_short_or_too_long_is_bad_encoding(
    data: st.DataObject, rest: bytes
) -> None:
    decoder, kind = data.draw(st.sampled_from(SPOKEN))
    frame = encode(data.draw(any_of(kind)))
    cut = data.draw(st.integers(1, len(frame) - 1))

    assert outcome(DECODERS[decoder], frame[:cut]) == "bad_encoding"
    if len(frame) + len(rest) <= 1024:  # else an enrolment frame is too large before it is wrong
        assert outcome(DECODERS[decoder], frame + rest) == "bad_encoding"


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | st.builds(msgspec.msgpack.Ext, st.integers(-128, 127), st.binary(max_size=16)),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=20,
)


@pytest.mark.covers("B-22", "B-24", "B-25", "B-27")
@settings(max_examples=400, deadline=None)
@given(data=st.data(), other=anything)
def test_a_field_of_another_kind_is_bad_schema_or_still_a_legal_value(
    data: st.DataObject, other: object
) -> None:
    decoder, kind = data.draw(st.sampled_from(SPOKEN))
    plain = to_plain(data.draw(any_of(kind)))
    plain[data.draw(st.integers(1, len(plain) - 1))] = other

    assert outcome(DECODERS[decoder], msgspec.msgpack.encode(plain)) in ("message", "bad_schema")


@pytest.mark.covers("B-22", "G12")
@settings(max_examples=100, deadline=None)
@given(data=st.data(), extra=anything)
def test_a_field_too_many_or_too_few_is_bad_schema(data: st.DataObject, extra: object) -> None:
    decoder, kind = data.draw(st.sampled_from(SPOKEN))
    plain = to_plain(data.draw(any_of(kind)))

    assert outcome(DECODERS[decoder], msgspec.msgpack.encode([*plain, extra])) == "bad_schema"
    assert outcome(DECODERS[decoder], msgspec.msgpack.encode(plain[:-1])) == "bad_schema"


@pytest.mark.covers("B-29", "H10")
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_message_of_another_direction_or_port_is_bad_type(data: st.DataObject) -> None:
    decoder, kind = data.draw(st.sampled_from(SPOKEN))
    frame = encode(data.draw(any_of(kind)))

    for name, other in DECODERS.items():
        if name != decoder:
            # Where one type only is expected, its number of fields is looked at first.
            expected = {"bad_type", "oversize"} | ({"bad_schema"} if "enrol" in name else set())
            assert outcome(other, frame) in expected
