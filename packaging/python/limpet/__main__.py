"""The command line: finds the command, and turns whatever goes wrong into a line and a number.

Commands are imported when they are used; a quick one takes a tenth of a second, and most of that is
the start of Python.
"""

import gc
import os
import sys
from typing import Final

import click

from limpet import __version__
from limpet.common.errors import ExitCode, LimpetError
from limpet.common.terminal.group import LazyGroup
from limpet.common.terminal.session import complain

INTERRUPTED: Final = 130
"""Ended by Ctrl-C, as shells say it."""
PIPE_CLOSED: Final = 141
"""Whoever read the output has gone."""
COMPLETION_VARIABLE: Final = "_LIMPET_COMPLETE"

COMMANDS: Final = {
    "run": ("limpet.master.commands.run:command", "Run a function on minions."),
    "apply": ("limpet.master.commands.apply:command", "Apply states on minions."),
    "plan": ("limpet.master.commands.plan:command", "Show what would run, in which order."),
    "lint": ("limpet.master.commands.lint:command", "Find what is wrong in a tree (offline)."),
    "jobs": ("limpet.master.commands.jobs:command", "List, show, wait for or cancel jobs."),
    "minions": ("limpet.master.commands.minions:command", "Show minions and how they are."),
    "keys": ("limpet.master.commands.keys:command", "Accept, reject, delete or list keys."),
    "upgrade": ("limpet.master.commands.upgrade:command", "Upgrade minions, with a way back."),
    "token": ("limpet.master.commands.token:command", "Make, list or revoke join tokens."),
    "events": ("limpet.master.commands.events:command", "Follow what happens."),
    "status": ("limpet.master.commands.status:command", "Show how the master is."),
    "doc": ("limpet.master.commands.doc:command", "Show what a function does (offline)."),
    "call": ("limpet.minion.commands.call:command", "Run a function on this minion."),
    "master": ("limpet.master.commands.master:command", "Run the master in the foreground."),
    "enrol": ("limpet.master.commands.enrol:command", "Serve new minions (run by the service)."),
    "minion": ("limpet.minion.commands.minion:command", "Run the minion in the foreground."),
    "swarm": ("limpet.minion.swarm.command:command", "Emulate many minions, to size a master."),
    "doctor": ("limpet.common.doctor.command:command", "Look for what is wrong on this host."),
    "migrate-config": (
        "limpet.master.commands.migrate_config:command",
        "Make limpet's configuration of Salt's.",
    ),
    "completion": ("limpet.master.commands.completion:command", "Print shell completion."),
}


@click.command(
    cls=LazyGroup,
    lazy=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Exit codes:
  0  all is well                      3  no minion matched
  1  some function or state failed    4  some minions have no result
  2  usage or configuration           5  the master is not reachable""",
)
@click.version_option(__version__, prog_name="limpet", message="%(prog)s %(version)s")
def cli() -> None:
    """Manage many hosts: one master, many minions, none of them stuck.

    \b
    limpet token create                 a join string for a new minion
    limpet keys accept web1             or accept its key
    limpet run 'web*' test.ping         run a function
    limpet minions                      who is there
    """  # noqa: D301 - \b is click's word for "leave these lines alone"


def main() -> None:
    """Run the command line of this process and end it."""
    exit_code = run(sys.argv[1:])
    gc.freeze()  # or the interpreter looks through all modules for garbage: a tenth of a command
    sys.exit(exit_code)


def run(words: list[str]) -> int:
    """Run one command line and give its exit code. Errors become one line on stderr."""
    _mend_streams()
    try:
        if COMPLETION_VARIABLE in os.environ:  # a shell asks what could follow
            cli.main(words, prog_name="limpet", complete_var=COMPLETION_VARIABLE)
        # Not `cli.main`: it has answers of its own to Ctrl-C and to a reader that has gone.
        with cli.make_context("limpet", list(words)) as context:
            result = cli.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as end:
        return end.exit_code
    except LimpetError as error:
        complain(str(error))
        return int(error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return int(ExitCode.USAGE)
    except click.UsageError as error:
        complain(_explained(error))
        return int(ExitCode.USAGE)
    except click.ClickException as error:
        complain(error.format_message())
        return int(ExitCode.USAGE)
    except (click.Abort, KeyboardInterrupt):
        complain("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        _drop_output()
        return PIPE_CLOSED
    except OSError as error:
        if error.filename is None and error.errno is None:
            raise
        place = f"{error.filename}: " if error.filename else ""
        complain(f"{place}{error.strerror}")
        _drop_output()
        return int(ExitCode.FAILED)
    return result if isinstance(result, int) else 0


def _explained(error: click.UsageError) -> str:
    """Give what was wrong and where help is."""
    path = "limpet"
    hint = ""
    if error.ctx is not None:
        path = error.ctx.command_path
        takes_words = any(parameter.name == "words" for parameter in error.ctx.command.params)
        if takes_words and isinstance(error, click.NoSuchOption):
            hint = "; an ARG that begins with a dash stands after --"
    return f"{error.format_message().rstrip('.')}{hint} ({path} --help tells more)"


def _mend_streams() -> None:
    """Let output never fail for want of a stream or of a letter in its encoding."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - until the end
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - until the end
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _drop_output() -> None:
    """Let the interpreter's last flush, which can't succeed, fail quietly."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except OSError:
        return


if __name__ == "__main__":
    main()
