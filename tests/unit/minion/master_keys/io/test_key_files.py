"""What a minion keeps of its master's keys, and what a person's word does to it."""

import random
from pathlib import Path

import pytest

from limpet.common.crypto.joinstring import make_token
from limpet.common.crypto.keys import encode_base32
from limpet.common.errors import HostError
from limpet.common.messages.trust import Trust
from limpet.common.transport.sockets import make_keypair
from limpet.minion.core.settings import HeldTrust
from limpet.minion.master_keys.io.key_files import (
    forget_trust,
    read_keys,
    read_told,
    write_current,
    write_trust,
)
from limpet.minion.process.planned_settings import settings_of
from limpet.minion.process.startup import make_plan

K0, K1, K2 = (make_keypair()[0] for _ in range(3))
OTHER = make_keypair()[0]


def join(key: bytes = K0, seed: int = 1) -> str:
    """Make a join string of a master."""
    return make_token(key, random.Random(seed)).text()


def trust(serial: int = 5, current: bytes = K0, *following: bytes) -> Trust:
    """Make an announcement."""
    keys = following or (K1, K2)
    return Trust(1, b"S" * 32, b"", serial, current, keys, b"s" * 64, b"")


def start(root: Path, **options: str) -> tuple[bytes, HeldTrust | None]:
    """Start a minion; gives the key that it tries first, and what it holds."""
    plan = make_plan(str(root), {"id": "web1", "master": "127.0.0.1", **options})
    settings = settings_of(plan, read_keys(plan.keys_dir))
    return bytes.fromhex(settings.server_key), settings.trust


def keys_of(root: Path) -> Path:
    """Give where its keys are."""
    return root / "state" / "minion" / "keys"


def follow(root: Path, told: str, key: bytes = K1) -> None:
    """Let the minion have been told, and have followed a rotation."""
    write_trust(keys_of(root), trust())
    write_current(keys_of(root), key, told)


def test_what_is_kept_is_read_again(tmp_path: Path) -> None:
    start(tmp_path, join=join())
    write_trust(keys_of(tmp_path), trust())
    assert start(tmp_path, join=join()) == (K0, HeldTrust.of(trust()))


@pytest.mark.covers("H6")
def test_a_configuration_that_names_the_old_key_does_not_undo_a_rotation(tmp_path: Path) -> None:
    start(tmp_path, join=join())
    follow(tmp_path, "anything")
    for _ in range(2):
        key, held = start(tmp_path, join=join())
        assert key == K1
        assert held is not None
    assert start(tmp_path)[0] == K1


@pytest.mark.covers("H6")
def test_nor_does_it_where_what_was_told_could_not_be_written_at_the_start(tmp_path: Path) -> None:
    plan = make_plan(str(tmp_path), {"id": "web1", "master": "127.0.0.1", "join": join()})
    (keys_of(tmp_path) / "trusted.told").unlink()
    follow(tmp_path, plan.told)
    assert start(tmp_path, join=join())[0] == K1


@pytest.mark.parametrize("key", [OTHER, K0], ids=["another master", "the old key, restored"])
def test_a_new_join_string_is_a_new_wish_and_the_old_master_is_forgotten(
    tmp_path: Path, key: bytes
) -> None:
    start(tmp_path, join=join())
    follow(tmp_path, "")
    assert start(tmp_path, join=join(key, seed=2)) == (key, None)
    assert start(tmp_path, join=join(key, seed=2)) == (key, None)


def test_a_new_join_string_of_the_same_key_forgets_nothing(tmp_path: Path) -> None:
    start(tmp_path, join=join())
    follow(tmp_path, "")
    key, held = start(tmp_path, join=join(K1, seed=2))
    assert key == K1
    assert held is not None


def test_the_same_word_counts_again_after_all_is_forgotten(tmp_path: Path) -> None:
    start(tmp_path, join=join())
    follow(tmp_path, "")
    forget_trust(keys_of(tmp_path))
    assert read_told(keys_of(tmp_path)) == ""
    assert start(tmp_path, join=join()) == (K0, None)


@pytest.mark.covers("A7")
@pytest.mark.parametrize("damage", [b"", b"\xff\xfe", b'{"serial":1}', None])
@pytest.mark.parametrize("is_copy", [False, True])
def test_one_damaged_copy_loses_nothing(
    tmp_path: Path, damage: bytes | None, is_copy: bool
) -> None:
    start(tmp_path, join=join())
    follow(tmp_path, "")
    path = keys_of(tmp_path) / f"master.trust{'.copy' if is_copy else ''}"
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage)
    assert start(tmp_path, join=join()) == (K1, HeldTrust.of(trust()))
    assert not read_keys(keys_of(tmp_path)).notices, "it was put right"


@pytest.mark.covers("A7")
def test_two_damaged_copies_are_a_notice_and_the_minion_starts(tmp_path: Path) -> None:
    start(tmp_path, join=join())
    follow(tmp_path, "")
    for path in keys_of(tmp_path).glob("master.trust*"):
        path.write_bytes(b"?")
    assert any("tells it anew" in notice for notice in read_keys(keys_of(tmp_path)).notices)
    assert start(tmp_path, join=join()) == (K1, None)


def test_a_plan_that_is_older_than_a_rotation_does_not_count(tmp_path: Path) -> None:
    plan = make_plan(str(tmp_path), {"id": "web1", "master": "127.0.0.1", "join": join()})
    follow(tmp_path, plan.told)
    assert settings_of(plan, read_keys(plan.keys_dir)).server_key == K1.hex()
    for path in keys_of(tmp_path).glob("trusted.public*"):
        path.write_bytes(b"?")
    assert settings_of(plan, read_keys(plan.keys_dir)).server_key == K0.hex()


def test_a_disk_that_refuses_says_so(tmp_path: Path) -> None:
    with pytest.raises(HostError):
        write_trust(tmp_path / "nowhere", trust())
    with pytest.raises(HostError):
        write_current(tmp_path / "nowhere", K1, "")


def test_the_key_is_written_as_people_read_it(tmp_path: Path) -> None:
    write_current(tmp_path, K1, "told")
    assert (tmp_path / "trusted.public").read_text().strip() == encode_base32(K1)
    assert read_told(tmp_path) == "told"
