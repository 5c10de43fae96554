"""`limpet master setup`: from a host with the package to a serving master and its first token."""

import sys

import click

from limpet.common.errors import UsageError
from limpet.common.terminal.group import DURATION, format_option
from limpet.common.terminal.session import Session
from limpet.master.commands.token import TTL, TTL_MAX_S, USES

EPILOG = """\b
Examples:
  limpet master setup --id-pattern 'web*' --uses 10 --ttl 1d
  limpet master setup --any-id
  limpet master setup --listen 192.0.2.1 --name salt.example.org --any-id
  limpet master setup --no-start              in an image: no key is made

\b
Exit codes: 0 it serves (--no-start: written), 1 something is in the way, 2 usage or
configuration, 5 it does not serve"""


@click.command(name="setup", epilog=EPILOG)
@click.option("--listen", multiple=True, metavar="ADDRESS", help="Numeric address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port for enrolled minions [4506].")
@click.option("--enrol-port", type=click.IntRange(1, 65535), help="For new minions [PORT - 1].")
@click.option("--name", metavar="HOST", help="By which hosts reach this one [its name].")
@click.option("--id-pattern", metavar="GLOB", help="Ids that the first token is good for.")
@click.option("--any-id", is_flag=True, help="It is good for every id.")
@click.option("--no-token", is_flag=True, help="Make no token.")
@TTL
@USES
@click.option("--no-start", is_flag=True, help="Only write the configuration; no key is made.")
@click.option(
    "--timeout",
    "timeout_s",
    type=DURATION,
    default="60s",
    show_default=True,
    metavar="S",
    help="How long to wait until it serves.",
)
@format_option("text", "json", text="Text as it comes, or one document at the end.")
def command(
    listen: tuple[str, ...],
    port: int | None,
    enrol_port: int | None,
    name: str | None,
    id_pattern: str | None,
    any_id: bool,
    no_token: bool,
    ttl_s: float,
    uses: int,
    no_start: bool,
    timeout_s: float,
    form: str,
) -> int:
    """Configure the master of this host, start it, and make the first join token.

    Written: master.d/50-setup.yaml, and there only what is asked for here; the directories for
    states and pillar. Then it says what to run on each host and what the firewall must let in. Run
    again, it keeps what is there and makes another token.
    """
    from limpet.master.setup.steps import SettingUp, Wish

    if sum((id_pattern is not None, any_id, no_token)) > 1:
        raise UsageError("--id-pattern, --any-id, --no-token: give one of them")
    if id_pattern is None and not (any_id or no_token or no_start):
        raise UsageError(
            "say which minions the first token lets in: --id-pattern 'web*', or --any-id "
            "(--no-token makes none)"
        )
    if id_pattern is not None and not 0 < len(id_pattern) <= 200:
        raise UsageError("--id-pattern: between 1 and 200 characters are expected")
    if not 1 <= ttl_s <= TTL_MAX_S:
        raise UsageError("--ttl: between 1 second and 30 days are expected")
    wish = Wish(
        listen=listen,
        port=port,
        enrol_port=enrol_port,
        name=name,
        id_pattern="" if no_token else "*" if any_id else id_pattern or "",
        ttl_s=ttl_s,
        uses=uses,
        is_started=not no_start,
        timeout_s=timeout_s,
    )
    setting_up = SettingUp(Session.current(), wish, is_told=form == "text")
    code = setting_up.run()
    if form == "json":
        from limpet.common.terminal.forms import json_text

        sys.stdout.write(f"{json_text(setting_up.data)}\n")
    return int(code)
