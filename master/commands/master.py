"""`limpet master`: the master in the foreground, as a service manager wants it; and its set-up."""

from typing import Final

import click

from limpet.common.terminal.group import DaemonGroup
from limpet.common.terminal.session import Session

COMMANDS: Final = {
    "setup": (
        "limpet.master.commands.setup:command",
        "Configure and start the master of this host, make a token.",
    ),
    "backup": (
        "limpet.master.commands.backup:backup",
        "Save store and configuration, and the keys on demand, to a file.",
    ),
    "restore": (
        "limpet.master.commands.backup:restore",
        "Put a master back from such a file.",
    ),
}


@click.command(
    cls=DaemonGroup,
    lazy=COMMANDS,
    name="master",
    epilog="""\b
Examples:
  limpet master                         as configured in /etc/limpet/master.yaml
  limpet --root ./try master            everything below one directory""",
)
@click.option("--port", type=click.IntRange(1, 65535), help="Port for enrolled minions.")
@click.option("--enrol-port", type=click.IntRange(1, 65535), help="Port for new minions.")
@click.option("--listen", multiple=True, metavar="ADDRESS", help="Numeric address to listen on.")
def command(port: int | None, enrol_port: int | None, listen: tuple[str, ...]) -> None:
    """Run the master in the foreground.

    It ends on SIGTERM, and reads its configuration anew on SIGHUP.
    """
    from limpet.common.observability.logs import Log, parse_level
    from limpet.common.service.misconfigured import slow_to_fail
    from limpet.common.service.paths import Roots
    from limpet.common.settings.master import MasterConfiguration, load_master
    from limpet.master.process.startup import serve

    session = Session.current()
    options: dict[str, object] = {
        "port": port,
        "enrol_port": enrol_port,
        "listen": listen or None,
        "log_level": session.log_level,
    }
    given = {name: value for name, value in options.items() if value is not None}
    roots = Roots.locate("master", session.root)

    def read() -> MasterConfiguration:
        return load_master(roots, given)

    with slow_to_fail(roots.config_file, "limpet-master"):
        log = Log(level=read().level, identifier="limpet-master")
        if session.log_level is not None:
            log.level = parse_level(session.log_level)
        end = serve(roots, read, log)
    if end == "afresh":
        import signal

        from limpet.common.service.watchdog import exec_process

        exec_process(held=signal.pthread_sigmask(signal.SIG_BLOCK, ()))()
