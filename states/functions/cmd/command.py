"""How one command of `cmd.*` is prepared, run and answered for: the steps that all share."""

import shlex
from dataclasses import dataclass
from typing import Any

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext, Loose
from limpet.states.functions.cmd.sources import render
from limpet.states.ports.machine import OUTPUT_BYTES_MAX, Command, Completed

_LOCALE_VARIABLES = (
    *("LC_CTYPE", "LC_NUMERIC", "LC_TIME", "LC_COLLATE", "LC_MONETARY", "LC_MESSAGES", "LC_PAPER"),
    *("LC_NAME", "LC_ADDRESS", "LC_TELEPHONE", "LC_MEASUREMENT", "LC_IDENTIFICATION", "LANGUAGE"),
)


@dataclass(frozen=True, slots=True)
class CommandOptions:
    """Arguments that all commands take."""

    cmd: str | list[str]
    """The command line; a list is run as it is, without a shell."""
    cwd: str | None = None
    """Absolute; the home of the user by default."""
    stdin: str | None = None
    runas: str | None = None
    """Run as this user, with the environment of a login."""
    group: str | None = None
    shell: str | None = None
    """The minion's own by default ($SHELL, else /bin/sh)."""
    python_shell: bool | None = None
    """Through the shell or not; by default only for people (see the module)."""
    env: dict[str, Any] | None = None
    clean_env: bool = False
    """Nothing but `env` in the environment."""
    template: str | None = None
    """`jinja`: the command and `cwd` are templates."""
    rstrip: bool = True
    umask: str | None = None
    """Octal, `022`."""
    output_encoding: str | None = None
    output_loglevel: str = "debug"
    """Accepted: commands and their output are never written to the log."""
    log_callback: Loose = None
    """Accepted, as `output_loglevel`."""
    hide_output: bool = False
    timeout: float | None = None
    """Seconds; then the whole process group is ended."""
    reset_system_locale: bool = True
    """Messages of programs in the language C, which other programs can read."""
    ignore_retcode: bool = False
    saltenv: str | None = None
    use_vt: bool = False
    """Accepted: output is shown live by `limpet run --stream` without a terminal in between."""
    password: str | None = None
    """For Windows; has no effect here."""
    prepend_path: str | None = None
    success_retcodes: list[int] | None = None
    success_stdout: list[str] | None = None
    success_stderr: list[str] | None = None


def execute(
    context: FunctionContext, options: CommandOptions, *, is_stderr_in_stdout: bool = False
) -> dict[str, Any]:
    """Run the command; give `pid`, `retcode`, `stdout`, `stderr`, and set the context's retcode.

    Raises `UsageError` for arguments that make no sense, `HostError` where it can't be started.
    """
    command = prepare(context, options, is_stderr_in_stdout=is_stderr_in_stdout)
    completed = context.host.commands.run(command)
    answer = _answer(options, command, completed)
    context.retcode = 0 if options.ignore_retcode else int(answer["retcode"])  # Salt: the last wins
    return answer


def start(context: FunctionContext, options: CommandOptions) -> int:
    """Start the command in the background and give its pid."""
    return context.host.commands.start(prepare(context, options, is_stderr_in_stdout=False))


def prepare(
    context: FunctionContext, options: CommandOptions, *, is_stderr_in_stdout: bool
) -> Command:
    """Work out what is run, as whom, where, and with which environment."""
    text, cwd = options.cmd, options.cwd or _home(context, options.runas)
    if options.template:
        text = (
            [render(context, each, options.template) for each in text]
            if isinstance(text, list)
            else render(context, text, options.template)
        )
        cwd = render(context, cwd, options.template)
    if not cwd.startswith("/") or not context.host.files.is_directory(cwd):
        raise HostError(f"Specified cwd '{cwd}' either not absolute or does not exist")
    if options.runas is not None and context.host.accounts.user(options.runas) is None:
        raise HostError(f"User '{options.runas}' is not available")
    shell = options.shell or _default_shell(context)
    if not context.host.files.is_program(shell):
        raise HostError(f"The shell {shell} is not available")
    stdin = options.stdin
    return Command(
        argv=_words(context, text, shell, options.python_shell),
        environment=_environment(context, options, shell),
        cwd=cwd,
        # On a command line `\n` is the only way to write a new line; Salt reads it as one.
        stdin=None if stdin is None else stdin.replace("\\n", "\n").encode("utf-8", "replace"),
        user=options.runas,
        group=options.group,
        umask=_umask(options.umask),
        timeout_s=options.timeout or None,
        is_stderr_in_stdout=is_stderr_in_stdout,
        on_output=None if options.hide_output else context.stream,
    )


def _words(
    context: FunctionContext, text: str | list[str], shell: str, python_shell: bool | None
) -> tuple[str, ...]:
    is_shell = python_shell
    if is_shell is None:
        is_shell = context.is_published or context.configuration.get("cmd_safe", True) is False
    if isinstance(text, list):
        words = tuple(text)
        if not words or not words[0]:
            raise UsageError("the argument 'cmd' is empty: there is nothing to run")
        return (shell, "-c", *words) if python_shell else words
    if not text.strip():
        raise UsageError("the argument 'cmd' is empty: there is nothing to run")
    if "\0" in text:
        raise UsageError("the argument 'cmd' has a NUL in it, which no command line can hold")
    if is_shell:
        return (shell, "-c", text)
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise UsageError(f"the argument 'cmd' can't be split into words: {error}") from None


def _environment(context: FunctionContext, options: CommandOptions, shell: str) -> dict[str, str]:
    given = {str(key): "" if value is None else str(value) for key, value in _env(options).items()}
    login: dict[str, str] = {}
    if options.runas is not None:
        login = context.host.commands.login_environment(options.runas, shell)
    locale = dict.fromkeys(_LOCALE_VARIABLES, "C") if options.reset_system_locale else {}
    own = {} if options.clean_env else context.host.commands.environment()
    whole = {**own, **locale, **login, **given}
    if options.prepend_path:
        whole["PATH"] = ":".join(each for each in (options.prepend_path, whole.get("PATH")) if each)
    if "NOTIFY_SOCKET" not in given:  # the service manager's line is the minion's alone
        whole.pop("NOTIFY_SOCKET", None)
    return whole


def _env(options: CommandOptions) -> dict[str, Any]:
    return options.env or {}


def _home(context: FunctionContext, runas: str | None) -> str:
    accounts = context.host.accounts
    account = accounts.user_of(accounts.own()[0]) if runas is None else accounts.user(runas)
    if account is not None and context.host.files.is_directory(account.home):
        return account.home
    return "/"


def _default_shell(context: FunctionContext) -> str:
    return context.host.commands.environment().get("SHELL") or "/bin/sh"


def _umask(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return int(text, 8)
    except ValueError:
        raise UsageError(
            f"Invalid umask: '{text}'; an octal number such as 022 is expected"
        ) from None


def _answer(options: CommandOptions, command: Command, completed: Completed) -> dict[str, Any]:
    if completed.is_timed_out:  # Salt's text and retcode; what had been printed is kept below it
        through_shell = len(command.argv) == 3 and command.argv[1] == "-c"
        shown = command.argv[2] if through_shell else str(list(command.argv))
        return {
            "pid": completed.pid,
            "retcode": 1,
            "stdout": f"{shown} : Timed out after {options.timeout:g} seconds",
            "stderr": "",
        }
    stdout = _text(completed.stdout, options, completed.is_cut)
    stderr = _text(completed.stderr, options, False)
    retcode = completed.retcode
    if (
        retcode in (options.success_retcodes or ())
        or any(each in stdout for each in options.success_stdout or ())
        or any(each in stderr for each in options.success_stderr or ())
    ):
        retcode = 0
    return {"pid": completed.pid, "retcode": retcode, "stdout": stdout, "stderr": stderr}


def _text(data: bytes, options: CommandOptions, is_cut: bool) -> str:
    """Decode output; bytes that the encoding does not know are replaced, never an error."""
    try:
        text = data.decode(options.output_encoding or "utf-8", "replace")
    except LookupError:
        raise UsageError(f"there is no output_encoding {options.output_encoding!r}") from None
    if options.rstrip:
        text = text.rstrip()
    if is_cut:
        text += f"\n[limpet: more than {OUTPUT_BYTES_MAX} bytes of output, the rest is cut]"
    return text
