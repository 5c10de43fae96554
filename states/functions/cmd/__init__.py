"""`cmd.*`: commands and scripts of this machine.

As in Salt: a person's `cmd.run` goes through a shell; a call from a template or another function
does so only with `python_shell=True`, and is else split into words and run as it is. `cmd.shell`
always takes the shell. A retcode that is not 0 (nor in `success_retcodes`) fails the job.
"""

import dataclasses
import os.path
import re
import shlex
from dataclasses import dataclass
from typing import Any

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext, Loose
from limpet.states.functions.cmd import command, sources
from limpet.states.functions.cmd.command import CommandOptions


@dataclass(frozen=True, slots=True)
class RunOptions(CommandOptions):
    """Arguments of `cmd.run`."""

    redirect_stderr: bool = True
    """Take what the command says on stderr into the answer."""
    bg: bool = False
    """Only start the command; no output, no retcode."""
    raise_err: bool = False
    """Fail with the output as the error where the retcode is not 0."""
    encoded_cmd: bool = False
    """For Windows; has no effect here."""


@dataclass(frozen=True, slots=True)
class RunAllOptions(CommandOptions):
    """Arguments of `cmd.run_all`."""

    redirect_stderr: bool = False
    """Put what the command says on stderr into `stdout`."""
    encoded_cmd: bool = False
    """For Windows; has no effect here."""


@dataclass(frozen=True, slots=True)
class ScriptOptions:
    """Arguments of `cmd.script`."""

    source: str
    """A path on the minion, `file://…` or `salt://…`."""
    args: str | list[str] | None = None
    cwd: str | None = None
    stdin: str | None = None
    runas: str | None = None
    group: str | None = None
    shell: str | None = None
    python_shell: bool | None = None
    env: dict[str, Any] | None = None
    template: str | None = None
    umask: str | None = None
    output_encoding: str | None = None
    output_loglevel: str = "debug"
    log_callback: Loose = None
    hide_output: bool = False
    timeout: float | None = None
    reset_system_locale: bool = True
    saltenv: str | None = None
    use_vt: bool = False
    bg: bool = False
    password: str | None = None
    success_retcodes: list[int] | None = None
    success_stdout: list[str] | None = None
    success_stderr: list[str] | None = None


def run(context: FunctionContext, options: RunOptions) -> str:
    """Run a command and give what it prints, stderr included.

    CLI Example: limpet run '*' cmd.run 'ls -l | grep foo' cwd=/tmp timeout=10 runas=www-data
    """
    if options.bg:
        command.start(context, options)
        return ""
    answer = command.execute(context, options, is_stderr_in_stdout=options.redirect_stderr)
    shown = "" if options.hide_output else str(answer["stdout"])
    if options.raise_err and answer["retcode"] != 0 and not options.ignore_retcode:
        raise HostError(shown or f"the command ended with retcode {answer['retcode']}")
    return shown


def shell(context: FunctionContext, options: RunOptions) -> str:
    """Run a command through the shell, wherever the call comes from, and give what it prints.

    CLI Example: limpet run '*' cmd.shell 'echo $HOME; id'
    """
    if options.python_shell is None:
        options = dataclasses.replace(options, python_shell=True)
    return run(context, options)


def run_stdout(context: FunctionContext, options: CommandOptions) -> str:
    """Run a command and give only what it prints on stdout.

    CLI Example: limpet run '*' cmd.run_stdout 'ls -l'
    """
    answer = command.execute(context, options)
    return "" if options.hide_output else str(answer["stdout"])


def run_stderr(context: FunctionContext, options: CommandOptions) -> str:
    """Run a command and give only what it prints on stderr.

    CLI Example: limpet run '*' cmd.run_stderr 'ls /nowhere'
    """
    answer = command.execute(context, options)
    return "" if options.hide_output else str(answer["stderr"])


def run_all(context: FunctionContext, options: RunAllOptions) -> dict[str, Any]:
    """Run a command and give `pid`, `retcode`, `stdout` and `stderr`.

    CLI Example: limpet run '*' cmd.run_all 'ls -l /tmp'
    """
    answer = command.execute(context, options, is_stderr_in_stdout=options.redirect_stderr)
    if options.hide_output:
        answer["stdout"] = answer["stderr"] = ""
    return answer


def retcode(context: FunctionContext, options: CommandOptions) -> int:
    """Run a command and give the number that it ended with.

    CLI Example: limpet run '*' cmd.retcode 'test -e /etc/passwd'
    """
    return int(command.execute(context, options, is_stderr_in_stdout=True)["retcode"])


def run_bg(context: FunctionContext, options: CommandOptions) -> dict[str, int]:
    """Start a command in the background and give its `pid`. Its output goes nowhere.

    It is still part of the job: where the system knows the job's processes as a group, cancelling
    the job ends it as well. CLI Example: limpet run '*' cmd.run_bg 'sleep 100'
    """
    return {"pid": command.start(context, options)}


def script(context: FunctionContext, options: ScriptOptions) -> dict[str, Any]:
    """Run a script that is brought to the minion first, and give what `cmd.run_all` gives.

    CLI Example: limpet run '*' cmd.script /root/check.sh args='one "two three"' cwd=/tmp
    """
    content = sources.read(context, options.source, options.saltenv, options.template)
    if content is None:
        context.retcode = 1
        return {"pid": 0, "retcode": 1, "stdout": "", "stderr": "", "cache_error": True}
    words = shlex.split(options.args) if isinstance(options.args, str) else options.args or []
    suffix = os.path.splitext(options.source)[1]
    path = _place(context, content, suffix, options.runas)
    try:
        shared = {
            each.name: getattr(options, each.name)
            for each in dataclasses.fields(CommandOptions)
            if hasattr(options, each.name)
        }
        shared.update(template=None, python_shell=False)
        brought = CommandOptions(cmd=[path, *words], **shared)
        if options.bg:
            return {
                "pid": command.start(context, brought),
                "retcode": 0,
                "stdout": "",
                "stderr": "",
            }
        answer = command.execute(context, brought)
    finally:
        if not options.bg:
            context.host.files.remove(path)
    if options.hide_output:
        answer["stdout"] = answer["stderr"] = ""
    return answer


def script_retcode(context: FunctionContext, options: ScriptOptions) -> int:
    """Run a script that is brought to the minion first, and give the number that it ended with.

    CLI Example: limpet run '*' cmd.script_retcode /root/check.sh
    """
    return int(script(context, options)["retcode"])


def exec_code(
    context: FunctionContext,
    lang: str,
    code: str,
    cwd: str | None = None,
    args: str | list[str] | None = None,
    runas: str | None = None,
    timeout: float | None = None,
    env: dict[str, Any] | None = None,
    **_odd: Loose,
) -> str:
    """Run a piece of code with the interpreter `lang` and give what it prints on stdout.

    CLI Example: limpet run '*' cmd.exec_code python3 'import sys; print(sys.version)'
    """
    return str(exec_code_all(context, lang, code, cwd, args, runas, timeout, env)["stdout"])


def exec_code_all(
    context: FunctionContext,
    lang: str,
    code: str,
    cwd: str | None = None,
    args: str | list[str] | None = None,
    runas: str | None = None,
    timeout: float | None = None,
    env: dict[str, Any] | None = None,
    **_odd: Loose,
) -> dict[str, Any]:
    """Run a piece of code with the interpreter `lang` and give what `cmd.run_all` gives.

    CLI Example: limpet run '*' cmd.exec_code_all ruby 'puts "hello"' args='[one, two]'
    """
    path = _place(context, code.encode("utf-8", "surrogateescape"), "", runas)
    try:
        words = [args] if isinstance(args, str) else args or []
        return command.execute(
            context,
            CommandOptions(
                cmd=[lang, path, *words],
                cwd=cwd,
                runas=runas,
                timeout=timeout,
                env=env,
                python_shell=False,
            ),
        )
    finally:
        context.host.files.remove(path)


def which(context: FunctionContext, cmd: str) -> str | None:
    """Give the full path of a program, nothing if it is not installed.

    CLI Example: limpet run '*' cmd.which cat
    """
    return context.host.commands.which(cmd)


def which_bin(context: FunctionContext, cmds: list[str]) -> str | None:
    """Give the full path of the first of several programs that is installed.

    CLI Example: limpet run '*' cmd.which_bin '[pip3, pip]'
    """
    return next((path for name in cmds if (path := context.host.commands.which(name))), None)


def has_exec(context: FunctionContext, cmd: str) -> bool:
    """Say whether a program is installed.

    CLI Example: limpet run '*' cmd.has_exec cat
    """
    return context.host.commands.which(cmd) is not None


def shells(context: FunctionContext) -> list[str]:
    """Give the login shells that /etc/shells names.

    CLI Example: limpet run '*' cmd.shells
    """
    lines = (context.host.files.read_text("/etc/shells") or "").splitlines()
    return [each for line in lines if (each := line.strip()) and not each.startswith("#")]


def shell_info(context: FunctionContext, shell: str, list_modules: bool = False) -> dict[str, Any]:
    """Give path and version of a shell or interpreter: bash, zsh, tcsh, perl, python, ruby, php.

    CLI Example: limpet run '*' cmd.shell_info bash
    """
    asked = {
        "bash": (r"version (\d\S*)", ["--version"]),
        "zsh": (r"^zsh (\d\S*)", ["--version"]),
        "tcsh": (r"^tcsh (\d\S*)", ["--version"]),
        "perl": (r"^(\d\S*)", ["-e", r'printf "%vd\n", $^V;']),
        "python": (r"^Python (\d\S*)", ["-V"]),
        "ruby": (r"^ruby (\d\S*)", ["-v"]),
        "php": (r"^PHP (\d\S*)", ["-v"]),
    }
    if shell not in asked:
        raise UsageError(f"cmd.shell_info knows {', '.join(asked)}, not {shell!r}")
    path = context.host.commands.which(shell)
    if path is None:
        return {"installed": False}
    pattern, arguments = asked[shell]
    options = CommandOptions(cmd=[path, *arguments], timeout=10, ignore_retcode=True)
    printed = str(command.execute(context, options, is_stderr_in_stdout=True)["stdout"])
    found = re.search(pattern, printed, re.IGNORECASE | re.MULTILINE)
    if found is None:
        return {"installed": None, "path": path}
    return {"installed": True, "path": path, "version": found.group(1), "version_raw": printed}


def tty(context: FunctionContext, device: str, echo: str = "") -> dict[str, str]:
    """Write a line to a terminal of this machine: `tty1`, `pts3`.

    CLI Example: limpet run '*' cmd.tty tty0 'This is a test'
    """
    found = re.fullmatch(r"(tty|pts)/?(\w+)", device)
    if found is None:
        return {"Error": "The specified device is not a valid TTY"}
    path = f"/dev/{device}" if found.group(1) == "tty" else f"/dev/pts/{found.group(2)}"
    if not context.host.files.exists(path):
        return {"Error": f"Echoing to {path} returned error"}
    options = CommandOptions(
        cmd=["tee", path], stdin=echo, timeout=5, hide_output=True, ignore_retcode=True
    )
    if command.execute(context, options)["retcode"] != 0:
        return {"Error": f"Echoing to {path} returned error"}
    return {"Success": f"Message was successfully echoed to {path}"}


def _place(context: FunctionContext, content: bytes, suffix: str, runas: str | None) -> str:
    """Write a script where nobody but its user can put another one in its place.

    That is the minion's own directory, or for another user /tmp, whose sticky bit keeps it theirs.
    Salt takes `cwd`, where whoever owns that directory could exchange the script.
    """
    own = str(context.places.state_directory)
    is_own = runas is None and context.host.files.is_directory(own)
    directory = own if is_own else "/tmp"  # noqa: S108 — the file is new, private, randomly named
    clean = suffix if re.fullmatch(r"\.\w{1,15}", suffix) else ""
    return context.host.files.place_script(content, directory=directory, suffix=clean, user=runas)
