"""`limpet completion`: what a shell needs to complete commands and options."""

import sys

import click
from click.shell_completion import get_completion_class

from limpet.common.errors import UsageError


@click.command(
    epilog="""\b
Examples:
  limpet completion bash > /etc/bash_completion.d/limpet
  limpet completion zsh > ~/.zfunc/_limpet
  limpet completion fish > ~/.config/fish/completions/limpet.fish"""
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> int:
    """Print a script that completes commands and options in SHELL."""
    completion = get_completion_class(shell)
    if completion is None:
        raise UsageError(f"no completion for {shell}")
    group = click.get_current_context().find_root().command
    sys.stdout.write(completion(group, {}, "limpet", "_LIMPET_COMPLETE").source())
    return 0
