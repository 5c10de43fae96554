"""`limpet enrol`: the port for new minions as a service of its own."""

import click

from limpet.common.terminal.session import Session


@click.command(
    name="enrol",
    epilog="""\b
Examples:
  limpet enrol                          for the master of this host
  limpet --root ./try enrol             for one below a directory""",
)
def command() -> None:
    """Let new minions ask for enrolment (run by the service limpet-enrol).

    It is told everything by the master, through its Unix socket; a master that was started with
    `enrol_process: service` in master.yaml, or LIMPET_ENROL=service, waits for it there. Without
    that a master has such a process of its own, and this one waits until SIGTERM.
    """
    from limpet.common.observability.logs import Log, parse_level
    from limpet.master.enrolment.io.service import serve

    session = Session.current()
    log = Log(identifier="limpet-enrol")
    if session.log_level is not None:
        log.level = parse_level(session.log_level)
    serve(session.root, log)
