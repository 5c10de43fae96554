"""From configuration and key files to a plan."""

import os
import random
from pathlib import Path

import pytest

from limpet.common.crypto.joinstring import make_token
from limpet.common.crypto.keys import encode_base32
from limpet.common.errors import SourceError, UsageError
from limpet.common.transport.sockets import make_keypair
from limpet.master.enrolment.io.messages import Setup
from limpet.minion.process.loop import check_pair
from limpet.minion.process.plan import PlannedPlace, hand_over, take_over
from limpet.minion.process.startup import JOIN_WAS_SHOWN, boot_id, make_plan

MASTER = make_keypair()[0]
OTHER = make_keypair()[0]


def join(key: bytes = MASTER) -> str:
    """Make a join string of a master."""
    return make_token(key, random.Random(1)).text()


def test_the_first_start_makes_key_files_that_only_their_owner_reads(tmp_path: Path) -> None:
    root = tmp_path / "root"
    plan = make_plan(str(root), {"id": "web1", "master": "127.0.0.1", "join": join()})
    keys = root / "state" / "minion" / "keys"
    assert (keys / "minion.secret").stat().st_mode & 0o777 == 0o600
    assert plan.server_key == MASTER
    assert plan.join_token_id
    again = make_plan(str(root), {"master": "127.0.0.1"})
    assert (again.public_key, again.secret_key) == (plan.public_key, plan.secret_key)
    assert (again.server_key, again.minion_id) == (MASTER, "web1")
    assert again.join_token_id == ""


@pytest.mark.covers("A10", "H8")
def test_the_id_of_the_first_start_is_kept(tmp_path: Path) -> None:
    first = make_plan(str(tmp_path), {"master": "127.0.0.1", "join": join()})
    (tmp_path / "state/minion/minion_id").write_text("another-name\n")
    assert make_plan(str(tmp_path), {"master": "127.0.0.1"}).minion_id == "another-name"
    assert first.minion_id


def test_a_master_whose_key_nobody_told_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="master's key is not known"):
        make_plan(str(tmp_path), {"id": "web1", "master": "127.0.0.1"})


def test_a_join_string_and_a_configured_key_must_agree(tmp_path: Path) -> None:
    (tmp_path / "minion.yaml").write_text(f"master_key: {encode_base32(OTHER)}\n")
    with pytest.raises(UsageError, match="not the key of the join string"):
        make_plan(str(tmp_path), {"id": "web1", "master": "127.0.0.1", "join": join()})


def test_another_master_is_taken_and_said(tmp_path: Path) -> None:
    make_plan(str(tmp_path), {"id": "web1", "master": "127.0.0.1", "join": join()})
    plan = make_plan(str(tmp_path), {"id": "web1", "master": "127.0.0.1", "join": join(OTHER)})
    assert plan.server_key == OTHER
    assert any("another one than before" in notice for notice in plan.notices)


def test_all_places_of_the_master_are_planned(tmp_path: Path) -> None:
    (tmp_path / "minion.yaml").write_text("master: [a.example, 'b.example:7000']\nport: 6000\n")
    plan = make_plan(str(tmp_path), {"id": "web1", "join": join()})
    assert plan.places == (
        PlannedPlace("a.example", 6000, 5999),
        PlannedPlace("b.example", 7000, 6999),
    )


def test_a_mistake_is_found_before_anything_is_made(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir(mode=0o700)
    (root / "minion.yaml").write_text("jobs_at_once: many\n")
    with pytest.raises(SourceError, match=r"minion\.yaml:1"):
        make_plan(str(root), {"master": "127.0.0.1"})
    assert sorted(entry.name for entry in root.iterdir()) == ["minion.yaml"]


def test_secrets_are_not_told_to_jobs(tmp_path: Path) -> None:
    plan = make_plan(str(tmp_path), {"id": "web1", "master": "127.0.0.1", "join": join()})
    assert "join" not in plan.worker_setup.configuration


@pytest.mark.covers("R-3.5")
def test_a_join_string_on_the_command_line_is_warned_of_and_one_in_the_file_is_not(
    tmp_path: Path,
) -> None:
    plan = make_plan(str(tmp_path), {"id": "web1", "master": "127.0.0.1", "join": join()})
    assert JOIN_WAS_SHOWN in plan.notices
    (tmp_path / "minion.yaml").write_text(f"join: {join()}\n")
    (tmp_path / "minion.yaml").chmod(0o600)
    assert make_plan(str(tmp_path), {"master": "127.0.0.1"}).notices == ()


def test_a_plan_that_is_printed_shows_no_secret(tmp_path: Path) -> None:
    plan = make_plan(str(tmp_path), {"id": "web1", "master": "127.0.0.1", "join": join()})
    setup = Setup(plan.secret_key, ("127.0.0.1",), 1, 6)
    for text in (repr(plan), f"{plan}", repr(setup)):
        assert repr(plan.secret_key)[2:-1] not in text
        assert repr(plan.join_secret)[2:-1] not in text


def test_a_plan_is_handed_over_in_memory_and_not_inherited(tmp_path: Path) -> None:
    plan = make_plan(str(tmp_path), {"id": "web1", "master": "127.0.0.1", "join": join()})
    fd = hand_over(plan)
    try:
        os.set_inheritable(fd, True)
        taken = take_over(fd)
        assert not os.get_inheritable(fd)
        assert (taken.secret_key, taken.places) == (plan.secret_key, plan.places)
        assert take_over(fd) == taken, "it can be read again after an exec"
    finally:
        os.close(fd)


def test_two_copies_of_a_state_directory_are_two_boots(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    assert boot_id(one) == boot_id(one)
    assert boot_id(one) != boot_id(two)
    assert len(boot_id(one)) == 32


def test_a_public_key_that_does_not_belong_to_the_secret_is_found_by_the_minion(
    tmp_path: Path,
) -> None:
    plan = make_plan(str(tmp_path), {"id": "web1", "master": "127.0.0.1", "join": join()})
    check_pair(plan)
    public = tmp_path / "state/minion/keys/minion.public"
    public.write_text(encode_base32(OTHER) + "\n")
    wrong = make_plan(str(tmp_path), {"master": "127.0.0.1"})
    with pytest.raises(SourceError, match="does not belong"):
        check_pair(wrong)
    text = encode_base32(plan.public_key)
    public.write_text(("b" if text[0] != "b" else "c") + text[1:] + "\n")
    mended = check_pair(make_plan(str(tmp_path), {"master": "127.0.0.1"}))
    assert mended.public_key == plan.public_key
    assert any("minion.public was damaged" in notice for notice in mended.notices)
    public.write_text("damaged")
    assert make_plan(str(tmp_path), {"master": "127.0.0.1"}).public_key == plan.public_key
    public.unlink()
    assert make_plan(str(tmp_path), {"master": "127.0.0.1"}).public_key == plan.public_key


def test_a_secret_that_is_gone_is_not_made_anew_beside_another_public_key(tmp_path: Path) -> None:
    make_plan(str(tmp_path), {"id": "web1", "master": "127.0.0.1", "join": join()})
    keys = tmp_path / "state/minion/keys"
    (keys / "minion.secret").unlink()
    (keys / "minion.secret.copy").unlink()
    with pytest.raises(SourceError, match="does not belong"):
        make_plan(str(tmp_path), {"master": "127.0.0.1"})
