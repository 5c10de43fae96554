"""Secrets of pillar: which values they are, and that nothing shown holds one."""

import base64
import json
import shlex
import urllib.parse
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from limpet.states.pillar.secrets import (
    MASK,
    MaskedStream,
    Masker,
    SecretKeys,
    secret_texts,
)
from support.states.sls_trees import compilation

PILLAR: dict[str, Any] = {
    "password": "hunter22",
    "mysql": {"root": {"password": "s3cr3t pw", "port": 3306}, "users": [{"token": "tok-en"}]},
    "api_key": ["first-key", {"nested": "second-key"}],
    "pin": {"password": 123456},
    "short": {"password": "ab"},
    "flags": {"password": True},
    "name": "web",
}


def test_values_below_listed_keys_are_secret_at_any_depth() -> None:
    found = secret_texts(PILLAR, SecretKeys(("password", "*_key")))
    assert found == {"hunter22", "s3cr3t pw", "first-key", "second-key", "123456"}


def test_a_path_means_that_place_alone() -> None:
    assert secret_texts(PILLAR, SecretKeys(("mysql:*:password",))) == {"s3cr3t pw"}
    assert secret_texts(PILLAR, SecretKeys(("mysql:users",))) == {"tok-en"}
    assert secret_texts(PILLAR, SecretKeys(("users:password",))) == set()


def test_a_mark_in_a_file_makes_a_secret_and_travels_as_a_path() -> None:
    files = {
        "top.sls": "base:\n  '*': [a]\n",
        "a.sls": "x:\n  - plain\n  - !secret hidden-value\nn: !secret 123456\n",
    }
    pillar = compilation({}, pillar=files).pillar
    assert pillar.data == {"x": ["plain", "hidden-value"], "n": "123456"}
    assert all(type(each) is str for each in (pillar.data["x"][1], pillar.data["n"]))
    assert sorted(pillar.secret_paths) == [["n"], ["x", 1]]
    assert pillar.masker.text("it is hidden-value, 123456") == f"it is {MASK}, {MASK}"


def test_a_mark_stands_at_single_values_and_in_pillar_only() -> None:
    files = {"top.sls": "base:\n  '*': [a]\n", "a.sls": "x: !secret {a: b}\n"}
    pillar = compilation({}, pillar=files).pillar
    assert "marks single values" in pillar.problems[0].args[0]
    state = compilation({"main.sls": "x: !secret abcd\n"}, pillar={})
    assert "!secret" in str(state.show_sls(["main"]))


def test_a_secret_is_hidden_wherever_it_stands() -> None:
    masker = Masker({"hunter22"}, SecretKeys(("token",)))
    shown = masker.value(
        {
            "changes": {"diff": "+password = hunter22\n-old"},
            "hunter22": ["x hunter22 y", b"hunter22", ("hunter22",)],
            "token": 7,
            "deep": {"token": {"a": [1, "b", None, ""]}},
            "fine": [1, True, None, "hunter"],
        }
    )
    assert shown == {
        "changes": {"diff": f"+password = {MASK}\n-old"},
        MASK: [f"x {MASK} y", MASK.encode(), (MASK,)],
        "token": MASK,
        "deep": {"token": {"a": [MASK, MASK, None, ""]}},
        "fine": [1, True, None, "hunter"],
    }


def test_a_diff_that_brings_a_secret_in_hides_what_it_replaces() -> None:
    diff = (
        "--- \n+++ \n@@ -1,2 +1,2 @@\n-password = old-secret\n+password = hunter22\n same\n"
        "@@ -9,2 +9,2 @@\n-color = red\n+color = blue\n"
    )
    assert Masker({"hunter22"}).value({"diff": diff}) == {
        "diff": f"--- \n+++ \n@@ -1,2 +1,2 @@\n-{MASK}\n+password = {MASK}\n same\n"
        "@@ -9,2 +9,2 @@\n-color = red\n+color = blue\n"
    }


def test_a_number_that_is_a_secret_is_hidden_and_others_are_not() -> None:
    masker = Masker({"123456"})
    assert masker.value([123456, 1234567, "v=123456"]) == [MASK, 1234567, f"v={MASK}"]


@pytest.mark.parametrize(
    "form",
    [
        lambda secret: secret,
        lambda secret: base64.b64encode(secret.encode()).decode(),
        lambda secret: json.dumps(secret),
        lambda secret: repr(secret),
        lambda secret: shlex.quote(secret),
        lambda secret: urllib.parse.quote(secret, safe=""),
        lambda secret: urllib.parse.quote_plus(secret),
        lambda secret: "\n".join(f"+{line}" for line in secret.splitlines()),
    ],
)
def test_the_forms_that_programs_write_are_known(form: Any) -> None:  # noqa: ANN401
    secret = "pä$s 'w\"rd\nsecond line"
    shown = Masker({secret}).text(f"before {form(secret)} after")
    assert "second" not in shown
    assert "$s" not in shown
    assert "before" in shown
    assert "after" in shown


def test_the_frame_of_a_key_is_no_secret_and_its_lines_are() -> None:
    key = "-----BEGIN RSA PRIVATE KEY-----\nMIIEabcd\n-----END RSA PRIVATE KEY-----\n"
    shown = Masker({key}).text("-----BEGIN RSA PRIVATE KEY-----\nMIIEabcd")
    assert shown == f"-----BEGIN RSA PRIVATE KEY-----\n{MASK}"


def test_short_values_are_hidden_under_their_key_and_nowhere_else() -> None:
    keys = SecretKeys(("password",))
    masker = Masker(secret_texts({"password": "ab", "x": {"password": False}}, keys), keys)
    assert masker.value({"password": "ab", "text": "abc", "x": {"password": False}}) == {
        "password": MASK,
        "text": "abc",
        "x": {"password": MASK},
    }


def test_a_value_that_holds_itself_ends() -> None:
    ring: list[Any] = ["hunter22"]
    ring.append(ring)
    assert Masker({"hunter22"}).value(ring) == [MASK, MASK]


def test_what_lies_too_deep_to_be_looked_at_is_hidden_whole() -> None:
    value: Any = "hunter22"
    for _ in range(300):
        value = [value]
    assert "hunter22" not in repr(Masker(["hunter22"]).value(value))


def test_a_secret_is_hidden_in_what_an_object_says_of_itself() -> None:
    """The journal of a run writes down the text of what it has no form for."""
    masker = Masker(["hunter22"])
    shown = masker.value({"error": ValueError("login with hunter22 failed")})
    assert shown == {"error": f"login with {MASK} failed"}
    plain = Path("/etc/motd")
    assert masker.value(plain) is plain


def test_without_secrets_values_come_back_as_they_are() -> None:
    value = {"a": [1]}
    assert Masker().value(value) is value


SECRETS = st.lists(st.text("abcx", min_size=4, max_size=8), min_size=1, max_size=4)


@given(
    secrets=SECRETS,
    words=st.lists(st.one_of(st.text("abcx \n", max_size=6), st.integers(0, 3)), max_size=12),
    cuts=st.lists(st.integers(1, 9), max_size=30),
)
@example(secrets=["xxab", "abyy"], words=[0, "  "], cuts=[4, 1, 1])
def test_no_secret_leaves_in_a_stream_whatever_pieces_it_comes_in(
    secrets: list[str], words: list[str | int], cuts: list[int]
) -> None:
    text = "".join(
        secrets[word % len(secrets)] if isinstance(word, int) else word for word in words
    )
    masker = Masker(secrets)
    out: list[bytes] = []
    stream = MaskedStream(lambda: masker, out.append)
    data = text.encode()
    for cut in cuts:
        stream(data[:cut])
        data = data[cut:]
    stream(data)
    stream.flush()
    shown = b"".join(out).decode()
    assert shown == masker.text(text)
    assert not any(secret in shown for secret in secrets)


VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.text("abcx", max_size=10), st.binary(max_size=6)
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text("abcx", max_size=8), inner, max_size=4)
    ),
    max_leaves=15,
)


@given(secrets=SECRETS, value=VALUES)
def test_no_secret_is_in_a_masked_value(secrets: list[str], value: Any) -> None:  # noqa: ANN401
    shown = repr(Masker(secrets).value(value))
    assert not any(secret in shown for secret in secrets)
