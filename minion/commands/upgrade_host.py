"""`limpet minion keep-package | guard | upgrade-resume`: run by the package and by systemd.

A person needs them only where a host was left alone in the middle of an upgrade.
"""

from typing import Final

import click

from limpet.common.errors import HostError, LimpetError, UsageError
from limpet.common.observability.logs import Log
from limpet.common.service.locks import InstanceLock
from limpet.common.service.paths import Roots
from limpet.common.settings.minion import load_minion
from limpet.common.terminal.session import Session, complain
from limpet.minion.upgrading.io.files import UpgradeFiles
from limpet.minion.upgrading.io.guard import record_of_guard, wait_for_turn
from limpet.minion.upgrading.io.layout import Installation
from limpet.minion.upgrading.io.package_manager import LOCK_S_MAX, PackageManager
from limpet.minion.upgrading.io.request import keep_package, kept_version
from limpet.minion.upgrading.io.unit import Unit
from limpet.minion.upgrading.io.updater import Updater, boot_id
from limpet.minion.upgrading.record import READY_TIMEOUT_S, READY_TIMEOUT_S_MAX, Record
from limpet.minion.upgrading.upgrade import longest_s

IDENTIFIER: Final = "limpet-minion"
LOCK_S: Final = 10.0


@click.command(name="keep-package")
def keep() -> int:
    """Rebuild the installed package, to have something to go back to (run by the package).

    It does nothing while an upgrade is under way: what was kept at its beginning is needed.
    """
    files = UpgradeFiles(_roots().state_dir)
    if files.load() is not None:
        click.echo("an upgrade is under way: the package that was kept for it stays")
        return 0
    version = keep_package(files, Installation(), PackageManager())
    click.echo(f"kept {version} at {files.previous}" if version else "nothing to keep")
    return 0


@click.command(name="guard")
@click.option("--from", "old", required=True, metavar="NAME", help="The version that runs.")
@click.option("--to", "new", required=True, metavar="NAME", help="The version that was installed.")
@click.option(
    "--ready-timeout",
    "ready_timeout_s",
    type=click.FloatRange(1, 3600),
    default=READY_TIMEOUT_S,
    show_default=True,
    metavar="S",
    help="How long it may take to be READY.",
)
@click.option(
    "--prepare",
    "is_prepared_only",
    is_flag=True,
    help="Only note it down: a boot in between goes on with it.",
)
def guard(old: str, new: str, ready_timeout_s: float, is_prepared_only: bool) -> int:
    """Restart the minion into a version that was installed, and go back if it isn't READY.

    Run by the package, where apt or a state installed it: once with --prepare, before `current`
    leads to the new version, and once to do it.
    """
    roots = _roots()
    files = UpgradeFiles(roots.state_dir)
    files.prepare()
    installation = Installation()
    old, new = installation.find(old), installation.find(new)
    # Another upgrade is waited for to its end: without a guard, what was installed meanwhile would
    # start unwatched. The package's script, which prepares, does not wait for so long.
    wait_s = LOCK_S if is_prepared_only else longest_s(READY_TIMEOUT_S_MAX) + 2 * LOCK_S_MAX
    lock, under_way = wait_for_turn(
        lambda left_s: _lock(files, left_s), lambda: _load(files), wait_s
    )
    with lock:
        if under_way is not None and under_way.kind != "guard":
            complain(f"{under_way.summary}: that goes on")
            return 0
        if under_way is None and not is_prepared_only and installation.current() != new:
            complain(f"`current` leads to {installation.current()} meanwhile: nothing to watch")
            return 0
        record = record_of_guard(
            old,
            new,
            under_way,
            kept=kept_version(files),
            previous=files.previous,
            ready_timeout_s=ready_timeout_s,
        )
        files.begin(record, installation.directory(record.old))
        if not is_prepared_only:
            _carry_out(record, files, installation, roots)
    return 0


@click.command(name="upgrade-resume")
def resume() -> int:
    """Go on with the upgrade that is under way, if there is one (run by systemd)."""
    roots = _roots()
    files = UpgradeFiles(roots.state_dir)
    if not files.record.exists():
        click.echo("no upgrade is under way")
        return 0
    with _lock(files, LOCK_S):
        record = _load(files)
        if record is not None:
            _carry_out(record, files, Installation(), roots)
    return 0


def _carry_out(
    record: Record, files: UpgradeFiles, installation: Installation, roots: Roots
) -> None:
    log = Log(identifier=IDENTIFIER)
    packages = PackageManager()
    unit = Unit(roots.socket_path, _places(roots), installation)
    Updater(record, files, installation, packages, unit, log).run(boot_id())


def _load(files: UpgradeFiles) -> Record | None:
    """Read the record; a damaged one is moved away, so that hosts boot without it."""
    try:
        return files.load()
    except HostError as error:
        raise HostError(f"{error} (moved to {files.set_aside()}; `current` stays)") from error


def _lock(files: UpgradeFiles, wait_s: float) -> InstanceLock:
    try:
        return InstanceLock(files.lock, "an upgrade of this minion", wait_s=wait_s)
    except UsageError as error:
        raise HostError(str(error)) from error


def _places(roots: Roots) -> list[tuple[str, int]]:
    """Give host and port of the master; none where the configuration can't be read."""
    try:
        return [(each.host, each.port) for each in load_minion(roots).addresses]
    except LimpetError:
        return []


def _roots() -> Roots:
    return Roots.locate("minion", Session.current().root)
