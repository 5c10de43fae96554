"""Who is let in, decided on the bytes of a request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limpet.common.crypto.keys import is_weak
from limpet.common.transport.zap_handler import Refusal, ZapHandler, refusal
from support.pages import curve

KEY = bytes(range(32))
PRIME = 2**255 - 19


def request(
    *,
    version: bytes = b"1.0",
    domain: bytes = b"main",
    address: bytes = b"192.0.2.1",
    mechanism: bytes = b"CURVE",
    key: bytes = KEY,
) -> list[bytes]:
    return [version, b"17", domain, address, b"", mechanism, key]


def handler(answer: bool = True) -> ZapHandler:
    return ZapHandler({"main": lambda key, address: answer})


def status(reply: tuple[bytes, ...]) -> bytes:
    assert len(reply) == 6
    assert reply[0] == b"1.0"
    return reply[2]


def test_an_admitted_key_gets_a_user_id_that_is_the_key_itself() -> None:
    assert handler().answer(request()) == (b"1.0", b"17", b"200", b"OK", KEY.hex().encode(), b"")


@pytest.mark.covers("B-4")
def test_a_key_that_the_domain_does_not_want_is_refused_and_counted_by_address() -> None:
    refusing = handler(answer=False)

    for _ in range(3):
        assert status(refusing.answer(request())) == b"400"

    assert refusing.take_refusals() == [Refusal("unknown_key", "192.0.2.1", 3)]
    assert refusing.take_refusals() == []


def test_the_domain_is_asked_with_the_proven_key_and_the_address() -> None:
    asked: list[tuple[bytes, str]] = []

    def admit(key: bytes, address: str) -> bool:
        asked.append((key, address))
        return True

    ZapHandler({"main": admit}).answer(request())

    assert asked == [(KEY, "192.0.2.1")]


@pytest.mark.parametrize(
    "odd",
    [
        request(version=b"2.0"),
        request(domain=b""),
        request(domain=b"other"),
        request(domain=b"main\0"),
        request(domain=b"\xff"),
        request(mechanism=b"NULL"),
        request(mechanism=b"PLAIN"),
        request(mechanism=b"curve"),
        request(key=b""),
        request(key=KEY[:-1]),
        request(key=KEY + b"\0"),
        request()[:-1],
        [*request(), b"more"],
        request()[:1],
        [],
    ],
    ids=lambda r: repr(r)[:70],
)
def test_anything_odd_is_refused(odd: list[bytes]) -> None:
    judging = handler()

    assert status(judging.answer(odd)) == b"400"
    assert [r.reason for r in judging.take_refusals()] == ["bad_zap"]


@given(st.lists(st.binary(max_size=40), max_size=9))
def test_no_request_is_an_accident(frames: list[bytes]) -> None:
    assert status(handler().answer(frames)) == b"400"


@pytest.mark.covers("B-12")
@pytest.mark.parametrize("top_bit", [0, 1 << 255])
@pytest.mark.parametrize(
    "point",
    [
        0,
        1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
        PRIME - 1,
        PRIME,
        PRIME + 1,
    ],
)
def test_a_key_of_small_order_is_weak(point: int, top_bit: int) -> None:
    key = (point | top_bit).to_bytes(32, "little")
    _, secret = curve.make_keypair()
    assert curve.scalar_product(secret, key) == bytes(32), "it is not of small order"

    assert is_weak(key)
    judging = handler()
    assert status(judging.answer(request(key=key))) == b"400"
    assert [r.reason for r in judging.take_refusals()] == ["weak_key"]


def test_honest_keys_are_not_weak() -> None:
    assert not any(is_weak(curve.make_keypair()[0]) for _ in range(20))


@pytest.mark.covers("B-12")
def test_the_key_of_the_port_itself_is_weak_as_a_peer() -> None:
    judging = handler()
    judging.bar(KEY)

    assert status(judging.answer(request())) == b"400"
    assert [r.reason for r in judging.take_refusals()] == ["weak_key"]


def test_an_accident_in_the_rule_goes_through_and_its_answer_is_no() -> None:
    def broken(key: bytes, address: str) -> bool:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ZapHandler({"main": broken}).answer(request())
    assert status(refusal(request())) == b"400"


def test_refusals_are_counted_without_address_once_there_are_too_many() -> None:
    refusing = handler(answer=False)
    for number in range(1_500):
        refusing.answer(request(address=f"192.0.{number // 250}.{number % 250}".encode()))

    taken = refusing.take_refusals()

    assert sum(r.count for r in taken) == 1_500
    assert len(taken) == 1_001
    assert taken[-1] == Refusal("unknown_key", "", 500)


def test_a_domain_without_a_name_is_a_mistake_of_the_programmer() -> None:
    with pytest.raises(AssertionError):
        ZapHandler({"": lambda key, address: True})
