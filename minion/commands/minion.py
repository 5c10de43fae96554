"""`limpet minion`: run the minion in the foreground; and what is done around it on its host."""

from typing import Final

import click

from limpet.common.terminal.group import DaemonGroup
from limpet.common.terminal.session import Session

EPILOG = """\b
Examples:
  limpet minion --master 192.0.2.1 --join limpet-join-1.…
  limpet minion                        with /etc/limpet/minion.yaml
  limpet minion --root ~/try --id web1 --master 127.0.0.1 --join limpet-join-1.…"""

COMMANDS: Final = {
    "setup": (
        "limpet.minion.commands.setup:command",
        "Configure and start the minion of this host, wait until READY.",
    ),
    "upgrade-resume": (
        "limpet.minion.commands.upgrade_host:resume",
        "Go on with an upgrade that was cut off (run by systemd).",
    ),
    "guard": (
        "limpet.minion.commands.upgrade_host:guard",
        "Let an installed version prove itself (run by the package).",
    ),
    "keep-package": (
        "limpet.minion.commands.upgrade_host:keep",
        "Rebuild the installed package (run by the package).",
    ),
}


@click.command(cls=DaemonGroup, lazy=COMMANDS, name="minion", epilog=EPILOG)
@click.option("--id", "minion_id", metavar="ID", help="Name of this minion [the host's, once].")
@click.option(
    "--master",
    "masters",
    metavar="HOST[:PORT]",
    multiple=True,
    help="Where the master is; several are tried in turn.",
)
@click.option("--join", metavar="STRING", help="What `limpet token create` printed.")
def command(minion_id: str | None, masters: tuple[str, ...], join: str | None) -> int:
    """Run the minion in the foreground, until it is told to end (SIGTERM).

    It stays up whatever happens to the master, and comes back to it by itself. Options stand
    above minion.yaml, which is read again on SIGHUP. Why it is not connected:
    DIR/run/minion-status.json, and the log.
    """
    from limpet.common.service.misconfigured import slow_to_fail
    from limpet.common.service.paths import Roots
    from limpet.minion.process.startup import make_plan, make_way

    session = Session.current()
    given = {
        "id": minion_id,
        "master": list(masters) or None,
        "join": join,
        "log_level": session.log_level,
    }
    with slow_to_fail(Roots.locate("minion", session.root).config_file, "limpet-minion"):
        make_way(make_plan(session.root, given))
    return 0
