"""The master's key files: made once, kept twice, and changed so that no cut leaves two minds."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from limpet.common.crypto.keyfiles import KeyPair
from limpet.common.crypto.keys import encode_base32
from limpet.common.crypto.site import Announcement, why_untrusted
from limpet.common.errors import HostError, SourceError
from limpet.common.transport.sockets import make_keypair, public_key_of
from limpet.master.master_keys.announced import Announced
from limpet.master.master_keys.io.key_files import AHEAD, KeyFiles, Prepared

WALL_S = 1_700_000_000.0


def files(directory: Path) -> KeyFiles:
    """Open the files of one master."""
    return KeyFiles(directory, make=make_keypair, public_of=public_key_of)


def load(directory: Path, wall_s: float = WALL_S) -> tuple[KeyPair, Announced]:
    """Start a master on a directory."""
    loaded = files(directory).load(wall_s)
    assert loaded.announced is not None
    return loaded.pair, loaded.announced


def is_believed(said: Announced, pinned: bytes) -> bool:
    """Say whether a minion that has pinned this site key believes it."""
    announcement = Announcement(
        said.site,
        said.former,
        said.serial,
        said.current,
        tuple(each.key for each in said.following),
    )
    return not why_untrusted(announcement, said.signature, said.former_signature, pinned=pinned)


def publics(said: Announced) -> list[bytes]:
    """Give the next keys."""
    return [each.key for each in said.following]


def test_keys_are_made_once_and_private(tmp_path: Path) -> None:
    pair, said = load(tmp_path)
    assert load(tmp_path, WALL_S + 9.0) == (pair, said)
    assert said.current == pair.public
    assert len(set(publics(said))) == AHEAD
    assert is_believed(said, b"")
    assert is_believed(said, said.site)
    secrets = [path for path in tmp_path.iterdir() if path.name != "master.public"]
    assert {path.stat().st_mode & 0o777 for path in secrets} == {0o600}
    assert {path.name for path in secrets} == {
        *("master.secret", "master.secret.copy", "site.secret", "site.secret.copy"),
        *("master.next", "master.next.copy"),
    }


def test_the_next_key_is_taken_and_another_prepared(tmp_path: Path) -> None:
    _, before = load(tmp_path)
    files(tmp_path).switch(WALL_S + 5.0)
    pair, after = load(tmp_path)
    assert pair.public == before.following[0].key == after.current
    assert publics(after)[:2] == publics(before)[1:]
    assert [each.since for each in after.following] == [before.serial] * 2 + [after.serial]
    assert after.serial > before.serial
    assert is_believed(after, before.site)


def test_a_clock_that_goes_backwards_makes_no_lower_serial(tmp_path: Path) -> None:
    _, before = load(tmp_path)
    files(tmp_path).switch(5.0)
    assert load(tmp_path, 5.0)[1].serial == before.serial + 1


class Cut(Exception):
    """The master was killed."""


def cuts() -> Iterator[tuple[str, int]]:
    for kind, steps in (("plain", 5), ("fresh", 6)):
        for step in range(steps + 1):
            yield kind, step


@pytest.mark.covers("H6")
@pytest.mark.parametrize("kind, done", list(cuts()))
def test_a_kill_at_any_step_leaves_one_key_that_was_announced(
    tmp_path: Path, kind: str, done: int
) -> None:
    pair, told = load(tmp_path)
    keys = files(tmp_path)
    if kind == "fresh":
        told = keys.prepare_fresh(WALL_S + 1.0)
    steps = keys.switch_steps(WALL_S + 2.0)
    assert len(steps) == (5 if kind == "plain" else 6)
    for step in steps[:done]:
        step()

    after, said = load(tmp_path, WALL_S + 3.0)

    expected = pair.public if done == 0 else told.following[0].key
    assert after.public == expected == said.current
    assert (tmp_path / "master.public").read_text().strip() == encode_base32(expected)
    assert len(said.following) == AHEAD
    assert after.public not in publics(said)
    assert is_believed(said, told.site)
    assert load(tmp_path, WALL_S + 4.0)[1] == said, "a second start changes nothing more"
    if done:
        assert publics(said)[:2] == publics(told)[1:]
        assert said.serial > told.serial


@pytest.mark.covers("H6")
@pytest.mark.parametrize("done", [1, 2, 3])
def test_a_full_disk_behind_a_cut_leaves_a_master_that_serves_with_the_new_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: int
) -> None:
    _, told = load(tmp_path)
    for step in files(tmp_path).switch_steps(WALL_S)[:done]:
        step()

    def full(path: Path, data: bytes, *, mode: int = 0o600) -> None:
        raise HostError(f"cannot write {path}: No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("limpet.master.master_keys.io.key_files.write_whole", full)
        patch.setattr("limpet.common.crypto.keyfiles.write_whole", full)
        loaded = files(tmp_path).load(WALL_S + 1.0)
    assert loaded.pair.public == told.following[0].key
    assert loaded.announced is None
    assert any("No space left" in each and "in use" in each for each in loaded.notices)

    pair, said = load(tmp_path, WALL_S + 2.0)  # there is room again
    assert pair.public == said.current == told.following[0].key
    assert is_believed(said, told.site)


def test_fresh_keys_replace_all_and_the_old_site_key_signs_for_the_new_one(tmp_path: Path) -> None:
    _, before = load(tmp_path)
    stranger = load_elsewhere(tmp_path / "other")
    keys = files(tmp_path)
    said = keys.prepare_fresh(WALL_S + 1.0)
    assert said.current == before.current
    assert not set(publics(said)) & set(publics(before))
    assert said.site != before.site
    assert is_believed(said, before.site)
    assert is_believed(said, said.site)
    assert not is_believed(said, stranger.site)
    again = keys.prepare_fresh(WALL_S + 2.0)
    assert again.site == said.site, "who has pinned the first of them believes the second"
    assert is_believed(again, before.site)
    keys.switch(WALL_S + 3.0)
    _, after = load(tmp_path)
    assert (after.site, after.former) == (said.site, b"")
    assert is_believed(after, said.site)
    assert not is_believed(after, before.site)


def load_elsewhere(directory: Path) -> Announced:
    """Make another master's keys."""
    directory.mkdir()
    return load(directory)[1]


def test_a_serial_is_raised_above_what_a_minion_has(tmp_path: Path) -> None:
    _, before = load(tmp_path)
    said = files(tmp_path).raise_serial(before.serial + 7)
    assert said.serial == before.serial + 8
    assert said.following == before.following
    assert is_believed(said, before.site)
    assert files(tmp_path).raise_serial(before.serial) == said
    assert load(tmp_path)[1] == said


@pytest.mark.parametrize("name", ["master.next", "master.secret", "site.secret"])
@pytest.mark.parametrize("is_copy", [False, True])
@pytest.mark.parametrize("damage", [b"", b"\xff\xfe", None])
def test_one_damaged_copy_of_any_file_changes_nothing(
    tmp_path: Path, name: str, is_copy: bool, damage: bytes | None
) -> None:
    before = load(tmp_path)
    path = tmp_path / (f"{name}.copy" if is_copy else name)
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage)
    pair, said = load(tmp_path)
    assert (pair.public, said) == (before[0].public, before[1])


def test_a_list_that_is_lost_is_made_anew_and_the_master_serves(tmp_path: Path) -> None:
    pair, before = load(tmp_path)
    for path in tmp_path.glob("master.next*"):
        path.write_bytes(b"?")
    loaded = files(tmp_path).load(WALL_S + 60.0)
    assert loaded.announced is not None
    assert loaded.pair.public == pair.public
    assert any("damaged" in notice for notice in loaded.notices)
    assert loaded.announced.serial > before.serial
    assert is_believed(loaded.announced, before.site)


def test_a_lost_site_key_does_not_keep_the_master_from_serving(tmp_path: Path) -> None:
    load(tmp_path)
    for path in (*tmp_path.glob("site.secret*"), *tmp_path.glob("master.next*")):
        path.write_bytes(b"?")
    loaded = files(tmp_path).load(WALL_S)
    assert loaded.announced is None
    assert any("next keys can't be prepared" in notice for notice in loaded.notices)


def test_an_older_master_whose_secret_was_put_back_says_so_under_a_higher_serial(
    tmp_path: Path,
) -> None:
    _, before = load(tmp_path)
    old = {path.name: path.read_bytes() for path in tmp_path.glob("master.[sp]*")}
    files(tmp_path).switch(WALL_S + 1.0)
    after = load(tmp_path, WALL_S + 1.0)[1]
    for name, data in old.items():
        (tmp_path / name).write_bytes(data)
    said = load(tmp_path, WALL_S + 2.0)[1]
    assert said.current == before.current
    assert said.serial > after.serial


def test_a_whole_backup_leads_forward_to_the_keys_that_minions_have(tmp_path: Path) -> None:
    _, before = load(tmp_path)
    backup = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for number in range(2):
        files(tmp_path).switch(WALL_S + 1.0 + number)
    minions_have = load(tmp_path, WALL_S + 5.0)[1]
    for name, data in backup.items():
        (tmp_path / name).write_bytes(data)
    assert load(tmp_path, WALL_S + 6.0)[1] == before
    for number in range(2):
        files(tmp_path).switch(WALL_S + 100.0 + number)
    said = load(tmp_path, WALL_S + 200.0)[1]
    assert said.current == minions_have.current
    assert said.serial > minions_have.serial
    assert is_believed(said, minions_have.site)


def test_a_list_that_others_may_read_is_refused(tmp_path: Path) -> None:
    load(tmp_path)
    (tmp_path / "master.next").chmod(0o644)
    with pytest.raises(SourceError, match="chmod 600"):
        files(tmp_path).load(WALL_S)


def test_no_secret_is_shown(tmp_path: Path) -> None:
    load(tmp_path)
    data = (tmp_path / "master.next").read_bytes()
    prepared = msgspec.json.decode(data, type=Prepared)
    shown = f"{prepared!r} {prepared.next[0]!r} {files(tmp_path).load(WALL_S)!r}"
    for each in prepared.next:
        assert each.secret not in shown
