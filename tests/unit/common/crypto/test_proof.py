"""The proof of a token: it covers everything, and shows nothing."""

import subprocess

import msgspec
import pytest

from limpet.common.crypto.proof import Ed25519Verifier, Statement, sign
from limpet.common.crypto.sign_child import command, decode_answer, encode_request
from limpet.common.errors import HostError
from limpet.common.messages.enrolment import EnrolRequest

MASTER, MINION, SECRET = b"M" * 32, b"m" * 32, b"s" * 32
VERIFIER = Ed25519Verifier(MASTER)
REQUEST = EnrolRequest(1, 1, "0.1.0", "web1", b"n" * 16, 1_700_000_000_000_000, "abcdefghij", b"")
STATEMENT = Statement.of(REQUEST, master_key=MASTER, minion_key=MINION)


def test_the_holder_of_the_secret_proves_it() -> None:
    kept = VERIFIER.verifier_of(SECRET)
    assert VERIFIER.verify(kept, STATEMENT.encoded(), sign(SECRET, STATEMENT))


@pytest.mark.covers("R-3.4", "G9")
@pytest.mark.parametrize(
    "change",
    [
        {"master_key": b"X" * 32},
        {"minion_key": b"x" * 32},
        {"token_id": "abcdefghik"},
        {"minion_id": "web2"},
        {"nonce": b"N" * 16},
        {"timestamp": REQUEST.timestamp + 1},
        {"protocol_min": 0},
        {"protocol_max": 2},
        {"version": "0.1.1"},
        {"label": "limpet enrolment proof 2"},
    ],
)
def test_each_covered_item_if_swapped_makes_the_proof_wrong(change: dict[str, object]) -> None:
    kept = VERIFIER.verifier_of(SECRET)
    other = msgspec.structs.replace(STATEMENT, **change)
    assert not VERIFIER.verify(kept, other.encoded(), sign(SECRET, STATEMENT))


def test_every_field_of_the_statement_has_its_negative_test() -> None:
    (mark,) = [
        mark
        for mark in test_each_covered_item_if_swapped_makes_the_proof_wrong.pytestmark  # type: ignore[attr-defined]
        if mark.name == "parametrize"
    ]
    assert {name for change in mark.args[1] for name in change} == set(Statement.__struct_fields__)


def test_a_statement_takes_everything_from_the_request() -> None:
    taken = {name: getattr(STATEMENT, name) for name in Statement.__struct_fields__}
    for name in EnrolRequest.__struct_fields__:
        if name != "signature":
            assert taken.pop(name) == getattr(REQUEST, name)
    assert taken == {
        "master_key": MASTER,
        "minion_key": MINION,
        "label": "limpet enrolment proof 1",
    }


@pytest.mark.covers("R-3.3")
def test_what_the_master_keeps_proves_nothing() -> None:
    kept = VERIFIER.verifier_of(SECRET)
    assert kept != SECRET
    assert not VERIFIER.verify(kept, STATEMENT.encoded(), sign(kept, STATEMENT))


@pytest.mark.parametrize("signature", [b"", b"x" * 63, b"\0" * 64, b"\xff" * 64, b"x" * 65])
def test_no_signature_raises(signature: bytes) -> None:
    assert not VERIFIER.verify(VERIFIER.verifier_of(SECRET), STATEMENT.encoded(), signature)
    assert not VERIFIER.verify(b"short", STATEMENT.encoded(), signature)
    assert not VERIFIER.verify(b"\xff" * 32, STATEMENT.encoded(), signature)


def test_a_child_signs_the_same_and_keeps_the_secret_off_its_command_line() -> None:
    line = command()
    assert SECRET.hex() not in " ".join(line)
    ended = subprocess.run(
        line,
        input=encode_request(SECRET, STATEMENT),
        capture_output=True,
        timeout=50,
        check=True,
    )
    assert decode_answer(ended.stdout) == sign(SECRET, STATEMENT)
    assert ended.stderr == b""


@pytest.mark.parametrize("data", [b"", b"garbage", encode_request(b"short", STATEMENT)])
def test_a_child_that_cannot_sign_says_why(data: bytes) -> None:
    ended = subprocess.run(command(), input=data, capture_output=True, timeout=50, check=False)
    assert ended.returncode == 1
    assert ended.stderr == b""
    with pytest.raises(HostError, match="can't sign the join request: "):
        decode_answer(ended.stdout)
    with pytest.raises(HostError, match="gave no answer"):
        decode_answer(b"")
