"""`limpet token`: join strings that let a minion in without anybody accepting its key."""

import sys
import time
from typing import Final

import click

from limpet.common.control.replies import TokenInfo
from limpet.common.errors import UsageError
from limpet.common.terminal.group import DURATION
from limpet.common.terminal.session import Session
from limpet.common.terminal.table import table
from limpet.common.terminal.times import duration_text, iso_utc, local_text
from limpet.master.client.client import Client
from limpet.master.commands.jobs import FORMAT
from limpet.master.commands.shared.output import write_document

TTL_MAX_S = 30 * 86400.0


TTL: Final = click.option(
    "--ttl",
    "ttl_s",
    type=DURATION,
    default="1h",
    show_default=True,
    metavar="S",
    help="How long it is good, 30 days at most.",
)
"""How long the token of `token create`, or of `master setup`, is good."""
USES: Final = click.option(
    "--uses",
    type=click.IntRange(1, 10_000),
    default=1,
    show_default=True,
    metavar="N",
    help="How many minions may join with it.",
)
"""How often."""


@click.group(
    epilog="""\b
Examples:
  limpet token create --id-pattern 'web*'
  limpet token create --uses 20 --ttl 1d --id-pattern 'web*'
  limpet token revoke 3jk2h5qw7a"""
)
def command() -> None:
    """Make, list or revoke join tokens."""


@command.command("create")
@TTL
@USES
@click.option(
    "--id-pattern",
    default="*",
    show_default=True,
    metavar="GLOB",
    help="Only minions whose id matches.",
)
def create(ttl_s: float, uses: int, id_pattern: str) -> int:
    """Make a token and print its join string, and nothing else, on stdout.

    Give it to `limpet minion setup --join -` on a host, or write it into minion.yaml as `join:`. It
    holds a secret: it is shown this once.
    """
    if not 1 <= ttl_s <= TTL_MAX_S:
        raise UsageError("--ttl: between 1 second and 30 days are expected")
    if not 0 < len(id_pattern) <= 200:
        raise UsageError("--id-pattern: between 1 and 200 characters are expected")
    session = Session.current()
    with Client(session.root, on_notice=session.note) as client:
        made = client.create_token(ttl_s, uses, id_pattern)
    sys.stdout.write(f"{made.join_string}\n")
    sys.stdout.flush()
    left = duration_text(max(0.0, made.expires_s - time.time()))
    times = "once" if made.uses == 1 else f"{made.uses} times"
    session.note(
        f"token {made.token_id}: good {times} within {left}, for ids like {made.id_pattern!a}"
    )
    return 0


@command.command("list")
@FORMAT
def list_tokens(form: str) -> int:
    """List the tokens that are not long over."""
    session = Session.current()
    with Client(session.root, on_notice=session.note) as client:
        tokens = client.tokens()
    if form != "text":
        write_document({"tokens": [_data(token) for token in tokens]}, form)
        return 0
    now_s = time.time()
    rows = [
        (
            token.token_id,
            token.state,
            f"{token.used} of {token.uses_max}",
            local_text(token.expires_s, now_s),
            token.id_pattern,
            token.created_by,
        )
        for token in tokens
    ]
    heads = ("TOKEN", "STATE", "USED", "EXPIRES", "IDS", "CREATED BY")
    for line in table(heads, rows, session.palette):
        sys.stdout.write(f"{line}\n")
    return 0


@command.command("revoke")
@click.argument("token_id")
def revoke(token_id: str) -> int:
    """End the token TOKEN_ID. Minions that have joined with it stay."""
    if not 0 < len(token_id) <= 16:
        raise UsageError(f"{token_id[:40]!a} is not the id of a token (limpet token list)")
    session = Session.current()
    with Client(session.root, on_notice=session.note) as client:
        token = client.revoke_token(token_id)
    sys.stdout.write(f"token {token.token_id} is {token.state}\n")
    return 0


def _data(token: TokenInfo) -> dict[str, object]:
    return {
        "token_id": token.token_id,
        "state": token.state,
        "expires": iso_utc(token.expires_s),
        "uses": token.uses_max,
        "used": token.used,
        "id_pattern": token.id_pattern,
        "created_by": token.created_by,
    }
