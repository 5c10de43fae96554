"""`limpet migrate-config`: limpet's configuration made of Salt's."""

import itertools
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import click

from limpet.common.errors import HostError, SourceError, UsageError
from limpet.common.service.paths import Roots
from limpet.common.settings.migration import Migrated, migrate_master, migrate_minion
from limpet.common.settings.source import read_source
from limpet.common.storage.files import create_whole, host_error, make_directory
from limpet.common.terminal.session import Session

_BYTES_MAX: Final = 1024 * 1024
_CONFIGURATION_MODE: Final = 0o600


@click.command(
    epilog="""\b
Examples:
  limpet migrate-config --dry-run         show what would be written, and what can't be taken over
  limpet migrate-config                   /etc/limpet/*.yaml from /etc/salt
  limpet --root /tmp/try migrate-config /srv/old/etc/salt"""
)
@click.argument("directory", default="/etc/salt", metavar="[DIR]")
@click.option("--dry-run", is_flag=True, help="Write nothing; print the files.")
@click.option("--force", is_flag=True, help="Replace files that are there; they are kept as .old.")
def command(directory: str, dry_run: bool, force: bool) -> int:
    """Write master.yaml and minion.yaml from Salt's configuration in DIR (/etc/salt).

    Reads `master`, `minion`, their `.d` directories, `minion_id` and `grains`; changes nothing of
    Salt's. What has no place here is named on stderr, with what to do instead.
    """
    session = Session.current()
    place = Path(directory)
    made = dict(_migrations(place))
    if not made:
        raise UsageError(f"there is no Salt configuration in {place}: no file `master` or `minion`")
    target = Roots.locate("master", session.root).config_dir
    grains = _whole(place / "grains")
    if not dry_run:
        _make_room([*(target / f"{name}.yaml" for name in made), target / "grains"], force, grains)
    for name, migrated in made.items():
        text = f"# Made of {place / name} by `limpet migrate-config`.\n{migrated.text()}"
        _put(target / f"{name}.yaml", text.encode(), dry_run=dry_run)
        for note in migrated.notes:
            session.note(f"{name}: {note}")
    if grains is not None:
        _put(target / "grains", grains, dry_run=dry_run)
    return 0


def _migrations(place: Path) -> Iterable[tuple[str, Migrated]]:
    master = _merged(place, "master")
    if master is not None:
        yield "master", migrate_master(master)
    minion = _merged(place, "minion")
    if minion is not None:
        yield "minion", migrate_minion(minion, _minion_id(place / "minion_id"))


def _minion_id(path: Path) -> str | None:
    named = _whole(path)
    try:
        return None if named is None else named.decode().strip()
    except UnicodeDecodeError as error:
        raise SourceError("is no UTF-8 text: write the minion's id into it", str(path)) from error


def _merged(place: Path, name: str) -> dict[str, Any] | None:
    """Read a file of Salt's and those of its directory; None: there is neither."""
    paths = [place / name]
    directory = place / f"{name}.d"
    if directory.is_dir():
        paths += sorted(directory.glob("*.conf"))
    found: dict[str, Any] | None = None
    for path in paths:
        text = _whole(path)
        if text is None:
            continue
        data = read_source(text, str(path)).data
        if not isinstance(data, dict | None):
            raise SourceError("keys with values are expected", str(path))
        found = {**(found or {}), **(data or {})}
    return found


def _whole(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            data = file.read(_BYTES_MAX + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise host_error("read", path, error) from error
    if len(data) > _BYTES_MAX:
        raise SourceError(f"larger than {_BYTES_MAX} bytes", str(path))
    return data


def _make_room(targets: list[Path], force: bool, grains: bytes | None) -> None:
    """See to it that nothing of the user's is overwritten."""
    for target in targets:
        if not target.exists() or (target.name == "grains" and grains is None):
            continue
        if not force:
            raise UsageError(f"{target} is there already: --force keeps it as {target.name}.old")
        numbered = (f"{target.name}.old{number or ''}" for number in itertools.count())
        free = next(each for each in map(target.with_name, numbered) if not os.path.lexists(each))
        try:
            os.rename(target, free)
        except OSError as error:
            raise HostError(f"cannot rename {target}: {error.strerror}") from error


def _put(target: Path, content: bytes, *, dry_run: bool) -> None:
    if dry_run:
        sys.stdout.write(f"# {target}\n{content.decode('utf-8', 'replace')}\n")
        return
    make_directory(target.parent, 0o755)
    create_whole(target, content, mode=_CONFIGURATION_MODE)
    sys.stdout.write(f"{target}\n")
