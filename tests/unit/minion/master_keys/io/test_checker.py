"""An announcement is believed if it is signed by whom this minion knows, and only then kept."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from limpet.common.crypto import site
from limpet.common.messages.trust import Trust
from limpet.common.transport.sockets import make_keypair
from limpet.minion.master_keys.io.checker import (
    ANSWER_BYTES_MAX,
    TrustRequest,
    command,
    decode_answer,
    encode_request,
    judge,
)
from limpet.minion.master_keys.io.key_files import read_keys

SEED, OTHER_SEED = b"\1" * 32, b"\2" * 32
SITE, OTHER = site.public_of(SEED), site.public_of(OTHER_SEED)
CURRENT, NEXT = make_keypair()[0], make_keypair()[0]


def signed(signer: bytes = SEED, former_seed: bytes = b"", **changes: Any) -> Trust:  # noqa: ANN401
    """Make an announcement; `former_seed`: that of the site key that signs for the new one."""
    public = site.public_of(signer)
    before = site.public_of(former_seed) if former_seed else b""
    said = site.Announcement(public, before, 7, CURRENT, (NEXT,))
    trust = Trust(
        1,
        public,
        before,
        7,
        CURRENT,
        (NEXT,),
        site.sign(signer, said),
        site.sign(former_seed, said) if former_seed else b"",
    )
    return replace(trust, **changes)


def verdict(directory: Path, trust: Trust, pinned: bytes = b"") -> str:
    """Let it be judged."""
    return judge(TrustRequest(str(directory), pinned.hex(), trust)).verdict


def test_the_first_one_is_believed_and_kept(tmp_path: Path) -> None:
    assert verdict(tmp_path, signed()) == "kept"
    held = read_keys(tmp_path).trust
    assert held is not None
    assert (held.serial, held.site, held.following) == (7, SITE.hex(), (NEXT.hex(),))


def test_later_ones_have_to_be_of_the_same_site(tmp_path: Path) -> None:
    assert verdict(tmp_path, signed(), SITE) == "kept"
    assert verdict(tmp_path, signed(OTHER_SEED), SITE) == "refused"


def test_a_new_site_key_is_believed_if_the_old_one_signed_for_it(tmp_path: Path) -> None:
    news = signed(OTHER_SEED, SEED)
    assert verdict(tmp_path, news, SITE) == "kept"
    assert verdict(tmp_path, news, OTHER) == "kept"
    assert verdict(tmp_path, replace(news, former_signature=b""), SITE) == "refused"
    assert verdict(tmp_path, replace(news, former_signature=news.signature), SITE) == "refused"
    assert verdict(tmp_path, signed(OTHER_SEED, OTHER_SEED), SITE) == "refused"


CHANGES: list[dict[str, Any]] = [
    {"serial": 8},
    {"current": NEXT},
    {"following": (CURRENT,)},
    {"following": ()},
    {"site": OTHER},
    {"former": OTHER},
    {"signature": b""},
    {"signature": b"\0" * 64},
]


@pytest.mark.covers("B-19")
@pytest.mark.parametrize(
    "changes", CHANGES, ids=[f"{next(iter(change))}-{n}" for n, change in enumerate(CHANGES)]
)
def test_whatever_is_changed_is_not_believed(tmp_path: Path, changes: dict[str, Any]) -> None:
    assert verdict(tmp_path, signed(**changes)) == "refused"
    assert verdict(tmp_path, signed(**changes), SITE) == "refused"
    assert not list(tmp_path.iterdir())


@given(
    place=st.integers(0, 63),
    bit=st.integers(0, 7),
)
def test_no_bit_of_the_signature_may_change(place: int, bit: int) -> None:
    good = signed()
    spoilt = bytearray(good.signature)
    spoilt[place] ^= 1 << bit
    said = site.Announcement(good.site, b"", 7, CURRENT, (NEXT,))
    assert site.why_untrusted(said, bytes(spoilt), b"", pinned=SITE)
    assert not site.why_untrusted(said, good.signature, b"", pinned=SITE)


def test_a_disk_that_refuses_is_a_failure_that_may_pass(tmp_path: Path) -> None:
    assert verdict(tmp_path / "nowhere", signed()) == "failed"


def test_the_process_answers_and_ends(tmp_path: Path) -> None:
    def ask(data: bytes) -> str:
        done = subprocess.run(command(), input=data, capture_output=True, timeout=30, check=True)
        assert len(done.stdout) <= ANSWER_BYTES_MAX
        return decode_answer(done.stdout, "").verdict

    assert ask(encode_request(str(tmp_path), "", signed())) == "kept"
    assert ask(encode_request(str(tmp_path), OTHER.hex(), signed())) == "refused"
    assert ask(b"nonsense") == "failed"
    assert decode_answer(b"", "timeout").text == "timeout"
