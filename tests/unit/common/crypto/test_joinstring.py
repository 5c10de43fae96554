"""The join string: a damaged paste is found before the network is touched."""

import random
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limpet.common.crypto.joinstring import LENGTH, JoinString, make_token, parse_join_string
from limpet.common.errors import ExitCode, UsageError

KEY = bytes.fromhex("2f" * 31 + "3f")
JOIN = make_token(KEY, random.Random(7))
TEXT = JOIN.text()


def reason(text: str) -> str:
    with pytest.raises(UsageError) as raised:
        parse_join_string(text)
    assert raised.value.exit_code is ExitCode.USAGE
    for part in TEXT.split(".")[1:]:
        assert part not in str(raised.value)
    return str(raised.value)


@pytest.mark.covers("R-3.2")
def test_it_has_four_fields_fit_for_a_shell() -> None:
    version, key, token_id, secret = TEXT.split(".")
    assert version == "limpet-join-1"
    assert (len(key), len(token_id), len(secret)) == (52, 10, 56)
    assert len(TEXT) == LENGTH <= 256
    assert set(TEXT) <= set(string.ascii_lowercase + string.digits + ".-")
    assert parse_join_string(TEXT) == JOIN
    assert JOIN.secret.hex() not in repr(JOIN)
    assert "secret" not in repr(JOIN)


@pytest.mark.covers("B-81", "R-3.2")
@pytest.mark.parametrize("position", range(LENGTH))
def test_every_deletion_and_substitution_of_one_character_is_found(position: int) -> None:
    head, tail = TEXT[:position], TEXT[position + 1 :]
    assert reason(head + tail).startswith("join string damaged")
    for character in string.printable + "\0é":
        if character == TEXT[position]:
            continue
        assert reason(head + character + tail).startswith("join string damaged")


@pytest.mark.covers("B-81")
@pytest.mark.parametrize("position", range(LENGTH - 1))
def test_swapped_neighbours_insertions_and_cuts_are_found(position: int) -> None:
    one, two = TEXT[position], TEXT[position + 1]
    if one != two:
        # (Swapping the full stop with a digit behind it would make another version: not here.)
        assert "damaged" in reason(TEXT[:position] + two + one + TEXT[position + 2 :])
    assert "damaged" in reason(TEXT[: position + 1] + "a" + TEXT[position + 1 :])
    assert "damaged" in reason(TEXT[: position + 1])
    assert "damaged" in reason(TEXT[position + 1 :])


@pytest.mark.covers("B-81")
@pytest.mark.parametrize(
    "pasted",
    [f"{TEXT}\n", f"  {TEXT} \r\n", f"'{TEXT}'", f'"{TEXT}"\n', f"\ufeff{TEXT}", f"`{TEXT}`"],
)
def test_what_pasting_leaves_around_it_is_taken_off(pasted: str) -> None:
    assert parse_join_string(pasted) == JOIN


@pytest.mark.covers("B-81")
def test_each_mistake_has_its_own_reason() -> None:
    assert (
        reason("")
        == reason(" '' ")
        == ("the join string is empty: paste all of `limpet token create`'s output")
    )
    assert "two join strings" in reason(TEXT + TEXT)
    assert "two join strings" in reason(f"{TEXT} {TEXT}")
    assert "of version 2; this limpet reads version 1" in reason("limpet-join-2.abc.def")
    assert "of version 12" in reason("limpet-join-12." + "a" * 119)
    assert "it has 5 of 134 characters" in reason("hello")


def test_a_master_key_that_is_nobodys_is_refused() -> None:
    text = JoinString(bytes(32), JOIN.token_id, JOIN.secret).text()
    with pytest.raises(UsageError, match="not a usable public key"):
        parse_join_string(text)


@settings(max_examples=50)
@given(seed=st.integers(), secret=st.binary(min_size=32, max_size=32))
def test_any_token_survives_its_text(seed: int, secret: bytes) -> None:
    made = JoinString(KEY, make_token(KEY, random.Random(seed)).token_id, secret)
    assert parse_join_string(made.text()) == made


@given(text=st.text(max_size=200))
def test_any_text_is_a_usage_error_and_nothing_worse(text: str) -> None:
    with pytest.raises(UsageError):
        parse_join_string(text)
