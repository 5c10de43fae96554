"""Where files are, and the refusal to use places that belong to others."""

import os
from pathlib import Path

import pytest

from limpet.common.errors import UsageError
from limpet.common.service.paths import Roots

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def test_with_a_root_everything_is_below_it(tmp_path: Path) -> None:
    roots = Roots.locate("minion", str(tmp_path / "r"), {})
    assert roots.config_file == tmp_path / "r" / "minion.yaml"
    assert roots.socket_path == tmp_path / "r" / "run" / "minion.sock"
    roots.prepare()
    roots.prepare()
    assert mode(tmp_path / "r") == 0o711
    assert mode(roots.state_dir) == mode(roots.keys_dir) == mode(roots.cache_dir) == 0o700
    assert mode(roots.run_dir) == 0o750


def test_the_root_may_come_from_the_environment_and_the_option_wins(tmp_path: Path) -> None:
    variables = {"LIMPET_ROOT": str(tmp_path / "env")}
    assert Roots.locate("master", None, variables).base == tmp_path / "env"
    assert Roots.locate("master", str(tmp_path / "o"), variables).base == tmp_path / "o"
    system = Roots.locate("master", None, {})
    assert (str(system.config_file), str(system.socket_path)) == (
        "/etc/limpet/master.yaml",
        "/run/limpet/master.sock",
    )


def test_master_and_minion_may_share_a_root(tmp_path: Path) -> None:
    master, minion = (Roots.locate(role, str(tmp_path), {}) for role in ("master", "minion"))
    assert master.state_dir != minion.state_dir
    assert master.lock_path != minion.lock_path
    assert master.socket_path != minion.socket_path


@pytest.mark.covers("B-73")
@pytest.mark.parametrize("name", ["\udcff", "a\nb", "\x1b[2J"], ids=["bytes", "line", "escape"])
def test_a_root_that_is_no_plain_text_is_refused_at_once(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="choose a path that is plain text"):
        Roots.locate("minion", str(tmp_path / name), {})


@needs_root
@pytest.mark.covers("B-80")
def test_a_root_of_somebody_else_is_refused_with_the_fix(tmp_path: Path) -> None:
    root = tmp_path / "r"
    root.mkdir()
    os.chown(root, 65534, 65534)
    with pytest.raises(UsageError) as raised:
        Roots.locate("master", str(root), {}).prepare()
    text = str(raised.value)
    assert text.startswith(f"{root} belongs to nobody, but this process runs as root")
    assert f"`chown -R root {root}`" in text
    assert list(root.iterdir()) == []


@needs_root
@pytest.mark.covers("B-80")
def test_a_state_directory_of_somebody_else_is_refused(tmp_path: Path) -> None:
    roots = Roots.locate("minion", str(tmp_path / "r"), {})
    roots.prepare()
    os.chown(roots.keys_dir, 65534, 0)
    with pytest.raises(UsageError, match="keys belongs to nobody"):
        roots.prepare()


@pytest.mark.covers("B-80")
def test_a_root_that_others_may_write_to_is_refused_with_the_fix(tmp_path: Path) -> None:
    root = tmp_path / "r"
    root.mkdir()
    root.chmod(0o777)
    with pytest.raises(UsageError, match=r"mode 0777\): `chmod go-w .*/r`"):
        Roots.locate("master", str(root), {}).prepare()


def test_a_file_in_the_place_of_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    tmp_path.chmod(0o700)
    with pytest.raises(UsageError, match="run is not a directory"):
        Roots.locate("master", str(tmp_path), {}).prepare()


def system_places(top: Path) -> Roots:
    """Give the system's places, moved below a directory."""
    return Roots(
        role="minion",
        base=None,
        config_dir=top / "etc" / "limpet",
        state_dir=top / "lib" / "limpet-minion",
        run_dir=top / "run" / "limpet-minion",
        cache_dir=top / "cache" / "limpet-minion",
        states_dir=top / "srv" / "states",
        pillar_dir=top / "srv" / "pillar",
    )


@pytest.mark.covers("R-8.1")
def test_the_systems_places_are_made_private(tmp_path: Path) -> None:
    roots = system_places(tmp_path)
    roots.prepare()
    assert mode(roots.state_dir) == mode(roots.cache_dir) == 0o700
    assert mode(roots.run_dir) == 0o750
    assert not roots.config_dir.exists()


@pytest.mark.covers("R-8.1")
@pytest.mark.parametrize("parent", ["etc", "lib", "run"])
def test_a_parent_that_anybody_may_write_to_is_refused_with_the_fix(
    tmp_path: Path, parent: str
) -> None:
    place = tmp_path / parent
    place.mkdir()
    place.chmod(0o777)
    with pytest.raises(UsageError, match=f"`chmod o-w {place}`"):
        system_places(tmp_path).prepare()
    place.chmod(0o1777)  # sticky, as /tmp is: nobody can replace what is another's
    system_places(tmp_path).prepare()


@needs_root
@pytest.mark.covers("R-8.1")
def test_a_parent_of_somebody_else_is_refused_with_the_fix(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    os.chown(tmp_path / "lib", 65534, 65534)
    with pytest.raises(UsageError, match=r"belongs to nobody, who could replace .*`chown root "):
        system_places(tmp_path).prepare()


@needs_root
@pytest.mark.covers("R-8.1")
def test_a_configuration_directory_of_somebody_else_is_refused(tmp_path: Path) -> None:
    roots = system_places(tmp_path)
    roots.config_dir.mkdir(parents=True)
    roots.prepare()
    os.chown(roots.config_dir, 65534, 65534)
    with pytest.raises(UsageError, match="etc/limpet belongs to nobody"):
        roots.prepare()
