"""Bad frames by name, each with the reason that it is counted under."""

import tracemalloc
from typing import Any

import msgspec
import pytest

from limpet.common.errors import PeerError
from limpet.common.messages.enrolment import EnrolAnswer, EnrolRequest
from limpet.common.messages.fields import (
    ENROL_FRAME_BYTES_MAX,
    MAIN_FRAME_BYTES_MAX,
    MINION_FRAME_BYTES_MAX,
    RETURN_INLINE_BYTES_MAX,
)
from limpet.common.messages.jobs import Return
from limpet.common.messages.session import Beat, Hello, SyncEntry, SyncPage
from limpet.common.wire.codec import (
    Decoder,
    FromMinion,
    encode,
    enrol_answer_decoder,
    enrol_request_decoder,
    master_decoder,
    minion_decoder,
)
from support.messages import FROM_MASTER, FROM_MINION

JID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
BEAT = ["beat", 1, 2, 3, [], ""]


def packed(value: object) -> bytes:
    return msgspec.msgpack.encode(value)


def refused(frame: bytes, decoder: Decoder[Any] | None = None) -> tuple[str, str]:
    with pytest.raises(PeerError) as caught:
        (decoder or master_decoder()).decode(frame)
    return caught.value.reason, str(caught.value)


def reason(frame: bytes, decoder: Decoder[Any] | None = None) -> str:
    return refused(frame, decoder)[0]


def beat_with(position: int, value: object) -> bytes:
    return packed([*BEAT[:position], value, *BEAT[position + 1 :]])


def test_the_beat_that_the_others_are_made_from_is_a_beat() -> None:
    assert master_decoder().decode(packed(BEAT)) == Beat(1, 2, 3, (), "")


@pytest.mark.covers("B-5")
def test_an_empty_frame_is_empty_and_a_single_byte_is_no_message() -> None:
    assert reason(b"") == "empty"
    assert {reason(bytes((byte,))) for byte in range(256)} == {"bad_schema", "bad_encoding"}


@pytest.mark.covers("B-18")
@pytest.mark.parametrize(
    "frame",
    [b"\xc1", b"\xc1" * 50, packed(BEAT)[:-1], packed(BEAT) + b"\0", packed(BEAT) * 2],
    ids=["only 0xC1", "many 0xC1", "truncated", "a byte behind", "twice"],
)
def test_what_is_not_one_whole_value_is_bad_encoding(frame: bytes) -> None:
    assert reason(frame) == "bad_encoding"


@pytest.mark.covers("B-18")
@pytest.mark.parametrize("frame", [b"{}", b"GET / HTTP/1.1\r\n\r\n", b"<xml/>", b"\x16\x03\x01"])
def test_other_formats_are_turned_away(frame: bytes) -> None:
    assert reason(frame) in ("bad_encoding", "bad_schema")


@pytest.mark.covers("B-19", "G11")
@pytest.mark.parametrize(
    "head",
    [b"\xdd", b"\xdf", b"\xdb", b"\xc6", b"\xc9"],
    ids=["array", "map", "str", "bin", "ext"],
)
@pytest.mark.parametrize("place", ["alone", "as session", "as running", "as condition"])
def test_a_length_that_lies_allocates_nothing(head: bytes, place: str) -> None:
    lie = head + b"\xff\xff\xff\xff" + b"\0" * 8
    before = packed(BEAT[0])
    frame = {
        "alone": lie,
        "as session": b"\x96" + before + lie,
        "as running": b"\x96" + before + b"\1\2\3" + lie,
        "as condition": b"\x96" + before + b"\1\2\3\x90" + lie,
    }[place]
    decoder = master_decoder()

    tracemalloc.start()
    try:
        found = reason(frame, decoder)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert found in ("bad_encoding", "bad_schema")
    assert peak < 64 * 1024


@pytest.mark.covers("B-19")
def test_a_list_that_lies_about_its_length_where_a_list_belongs_is_bad_encoding() -> None:
    head = b"\x96" + packed("beat") + b"\1\2\3"
    assert reason(head + b"\xdc\x00\x20" + packed(JID)) == "bad_encoding"


@pytest.mark.covers("B-20", "G11")
@pytest.mark.parametrize("depth", [1_000, 100_000])
@pytest.mark.parametrize("opening", [b"\x91", b"\x81\xa1k", b"\x92\xc0"])
@pytest.mark.parametrize("place", ["alone", "as session", "in running", "as a surplus field"])
def test_nesting_is_refused_and_never_an_accident(depth: int, opening: bytes, place: str) -> None:
    nest = opening * depth + b"\xc0"
    frame = {
        "alone": nest,
        "as session": b"\x96" + packed("beat") + nest,
        "in running": b"\x96" + packed("beat") + b"\1\2\3\x91" + nest,
        "as a surplus field": b"\x97" + packed(BEAT)[1:] + nest,
    }[place]

    assert reason(frame) in ("bad_encoding", "bad_schema", "oversize")


@pytest.mark.covers("B-21")
@pytest.mark.parametrize(
    "text",
    [b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf8\x88\x80\x80\x80", b"\xc3"],
    ids=["no UTF-8", "lone surrogate", "overlong 2", "overlong 3", "five bytes", "cut"],
)
def test_text_that_is_not_utf_8_is_bad_encoding(text: bytes) -> None:
    string = bytes((0xA0 | len(text),)) + text

    assert reason(packed(BEAT)[:-1] + string) == "bad_encoding"
    assert reason(b"\x96" + string + packed(BEAT)[6:]) == "bad_encoding"


@pytest.mark.covers("B-22", "B-24", "B-25", "B-26", "B-27")
@pytest.mark.parametrize(
    "value",
    [
        *(True, None, "1", b"1", [], [1], {}, {"a": 1}),
        *(1.0, -0.0, 1e308, float("nan"), float("inf"), float("-inf")),
        *(-1, -(2**63), 2**53 + 1, 2**63, 2**64 - 1),
        *(msgspec.msgpack.Ext(5, b""), msgspec.msgpack.Ext(-1, b"\xff" * 12)),
        msgspec.msgpack.Ext(-1, b"\0" * 8),
    ],
    ids=lambda value: repr(value).split(" object at")[0],
)
def test_a_number_is_a_whole_number_that_everybody_can_hold(value: object) -> None:
    found, text = refused(beat_with(2, value))

    assert found == "bad_schema"
    assert "$[2]" in text


@pytest.mark.covers("B-25", "B-26")
@pytest.mark.parametrize("value", [0, 1, 2**31, 2**53])
def test_the_bounds_of_a_number_belong_to_it(value: int) -> None:
    beat = master_decoder().decode(beat_with(2, value))

    assert isinstance(beat, Beat)
    assert beat.number == value


@pytest.mark.covers("B-22")
@pytest.mark.parametrize("session", [0, 2**52 + 1])
def test_a_session_is_never_zero_and_never_over_52_bits(session: int) -> None:
    assert reason(beat_with(1, session)) == "bad_schema"


@pytest.mark.covers("B-22")
@pytest.mark.parametrize(
    "running",
    [JID, [JID.lower()], [JID + "\n"], [JID[:-1]], ["../../proc/self"], [1], [None], [JID] * 65],
    ids=["text", "lower", "newline", "short", "path", "number", "null", "too many"],
)
def test_running_jobs_are_a_bounded_list_of_job_ids(running: object) -> None:
    assert reason(beat_with(4, running)) == "bad_schema"


@pytest.mark.covers("B-23")
def test_a_map_is_no_message_so_that_no_key_can_stand_twice() -> None:
    as_map = {"type": "beat", "session": 1, "number": 2, "echo": 3, "running": [], "condition": ""}
    twice = b"\x82" + packed("session") + b"\1" + packed("session") + b"\2"

    assert reason(packed(as_map)) == "bad_schema"
    assert reason(twice) == "bad_schema"
    assert reason(beat_with(1, as_map)) == "bad_schema"


@pytest.mark.covers("B-28")
def test_the_body_of_a_return_stays_bytes_whatever_is_in_it() -> None:
    bomb = b"\xdd" + (RETURN_INLINE_BYTES_MAX - 5).to_bytes(4, "big")
    bomb += b"\x90" * (RETURN_INLINE_BYTES_MAX - len(bomb))
    message = Return(1, JID, "ok", 0, "", 0, 0, bomb, "", 0, False)
    frame = encode(message)

    tracemalloc.start()
    try:
        decoded = master_decoder().decode(frame)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert decoded == message
    assert peak < 4 * len(frame)


@pytest.mark.covers("B-28")
def test_sixteen_mebibytes_are_refused_unread() -> None:
    assert reason(b"\xdd\x01\x00\x00\x00" + b"\x90" * 2**24) == "oversize"


@pytest.mark.covers("B-29")
@pytest.mark.parametrize("tag", ["", "Beat", "beat\0", "beat2", "__class__", "hello\n", "x" * 1000])
def test_an_unknown_type_is_bad_type(tag: str) -> None:
    assert reason(packed([tag, *BEAT[1:]])) == "bad_type"


@pytest.mark.covers("B-29")
@pytest.mark.parametrize("tag", [0, None, True, b"beat", [], ["beat"], {"beat": 1}], ids=repr)
def test_a_type_that_is_no_text_is_bad_schema(tag: object) -> None:
    assert reason(packed([tag, *BEAT[1:]])) == "bad_schema"


@pytest.mark.covers("B-29", "H10")
def test_the_table_of_each_direction_is_closed() -> None:
    def tags(kinds: tuple[type, ...]) -> set[str]:
        return {kind.__struct_config__.tag for kind in kinds}  # type: ignore[attr-defined]

    from_minion, from_master = tags(FROM_MINION), tags(FROM_MASTER)
    assert from_minion == {
        *("hello", "sync", "beat", "grains", "accepted", "started", "return"),
        *("bulk_offer", "bulk_chunk", "cancel_answer", "output", "ask", "pull"),
        "trust_ack",
    }
    assert from_master == {
        *("welcome", "busy", "denied", "regreet", "sync_answer", "master_beat", "drain"),
        *("deliver", "return_ack", "bulk_ack", "cancel", "offer", "piece", "trust"),
    }
    every = from_minion | from_master | {"enrol", "enrol_answer"}
    # A decoder of one type looks at the number of fields first: so it is given as many.
    heard: list[tuple[Decoder[Any], set[str], int]] = [
        (master_decoder(), from_minion, 0),
        (minion_decoder(), from_master, 0),
        (enrol_request_decoder(), {"enrol"}, len(EnrolRequest.__struct_fields__)),
        (enrol_answer_decoder(), {"enrol_answer"}, len(EnrolAnswer.__struct_fields__)),
    ]
    for decoder, known, fields in heard:
        wrong = {t for t in every if reason(packed([t, *[0] * fields]), decoder) == "bad_type"}
        assert wrong == every - known


@pytest.mark.covers("B-8", "G3")
@pytest.mark.parametrize(
    "decoder, limit",
    [
        (master_decoder(), MINION_FRAME_BYTES_MAX),
        (minion_decoder(), MAIN_FRAME_BYTES_MAX),
        (enrol_request_decoder(), ENROL_FRAME_BYTES_MAX),
        (enrol_answer_decoder(), ENROL_FRAME_BYTES_MAX),
    ],
    ids=["master", "minion", "enrol", "enrolling minion"],
)
def test_the_limit_passes_and_one_byte_more_is_oversize(decoder: Decoder[Any], limit: int) -> None:
    assert reason(b"\xc1" * limit, decoder) == "bad_encoding"
    assert reason(b"\xc1" * (limit + 1), decoder) == "oversize"


def test_no_message_names_its_sender_on_the_main_port() -> None:
    fields = {name for kind in FROM_MINION for name in kind.__struct_fields__}

    assert fields.isdisjoint({"id", "minion_id", "minion", "sender", "key", "user"})


@pytest.mark.parametrize("kind", FROM_MINION + FROM_MASTER, ids=lambda kind: kind.__name__)
def test_only_greetings_come_without_a_session(kind: type) -> None:
    is_greeting = kind.__name__ in ("Hello", "Busy", "Denied")

    assert ("session" in kind.__struct_fields__) is not is_greeting  # type: ignore[attr-defined]


def test_an_error_quotes_little_of_the_frame_and_nothing_that_moves_a_cursor() -> None:
    _, text = refused(packed(["\x1b[2J\x07\n\u202e" + "x" * 100_000]))

    assert len(text) < 300
    assert text.isascii()
    assert text.isprintable()


def test_the_largest_page_of_sync_fits_its_frame() -> None:
    page = SyncPage(2**52, 2**53, False, tuple(SyncEntry(JID, "accepted") for _ in range(500)))

    assert len(encode(page)) < MINION_FRAME_BYTES_MAX
    assert master_decoder().decode(encode(page)) == page


def test_the_largest_return_fits_its_frame() -> None:
    body, digest, text = b"\xff" * RETURN_INLINE_BYTES_MAX, "f" * 64, "\U0010ffff" * 4096
    message: FromMinion = Return(
        2**52, JID, "interrupted", -(2**31), text, 2**53, 2**53, body, digest, 2**53, True
    )

    assert len(encode(message)) < MINION_FRAME_BYTES_MAX
    assert master_decoder().decode(encode(message)) == message


def test_a_greeting_that_says_nothing_of_a_store_is_a_greeting() -> None:
    hello = Hello(1, 1, "1.0", "a" * 32, 0, b"n" * 16, "b" * 32, "", "", 0, "", 0)

    assert master_decoder().decode(encode(hello)) == hello
