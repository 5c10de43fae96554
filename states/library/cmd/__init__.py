"""The `cmd` states: commands and scripts of this machine.

They run each time unless a condition (`creates`, `unless`, `onlyif`) or a requisite keeps them from
it; `cmd.wait` runs only when something that it watches has changed.
"""

import dataclasses
import os.path
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from limpet.common.errors import HostError, LimpetError
from limpet.states.context import Loose
from limpet.states.library.cmd import stateful
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Arguments of `cmd.run`."""

    name: str
    cwd: str | None = None
    root: str | None = None
    """No effect: commands are not run in another root."""
    runas: str | None = None
    password: str | None = None
    shell: str | None = None
    env: Loose = None
    prepend_path: str | None = None
    stateful: Loose = False
    """The command says itself, in its last line or as JSON, whether it has changed something."""
    umask: Loose = None
    output_loglevel: Loose = "debug"
    hide_output: bool = False
    timeout: float | None = None
    ignore_timeout: bool = False
    use_vt: bool = False
    success_retcodes: Loose = None
    success_stdout: Loose = None
    success_stderr: Loose = None
    stdin: str | None = None
    output_encoding: str | None = None
    clean_env: bool = False
    reset_system_locale: bool = True
    group: str | None = None
    bg: bool = False
    python_shell: bool = True


@dataclass(frozen=True, slots=True)
class ScriptOptions:
    """Arguments of `cmd.script`."""

    name: str
    source: str | None = None
    template: str | None = None
    cwd: str | None = None
    runas: str | None = None
    password: str | None = None
    shell: str | None = None
    env: Loose = None
    stateful: Loose = False
    umask: Loose = None
    timeout: float | None = None
    use_vt: bool = False
    output_loglevel: Loose = "debug"
    hide_output: bool = False
    defaults: Loose = None
    context: Loose = None
    args: Loose = None
    success_retcodes: Loose = None
    success_stdout: Loose = None
    success_stderr: Loose = None
    stdin: str | None = None
    group: str | None = None


_SHARED = (
    "cwd", "runas", "shell", "env", "prepend_path", "hide_output", "timeout", "success_retcodes",
    "success_stdout", "success_stderr", "stdin", "output_encoding", "clean_env", "group",
    "reset_system_locale", "umask",
)  # fmt: skip
"""What the states hand on to the execution functions as it is."""


def run(context: StateContext, options: RunOptions) -> Outcome:
    """Run a command through the shell; it has changed something, whatever it prints."""
    name = options.name
    asks_for_test = stateful.takes_test(options.stateful)
    if isinstance(options.env, str | bytes):
        return failed("Invalidly-formatted 'env' parameter: a mapping or a list of them is wanted")
    if context.is_test and not asks_for_test:
        if stateful.is_asked_for(
            options.stateful
        ):  # only the command itself could tell what it would change
            return Outcome(None)
        comment = f'Command "{name}" would have been executed'
        return Outcome(None, comment, {"cmd": name})
    if missing := _missing_directory(context, options.cwd):
        return missing
    command = stateful.command(options.stateful, name, is_test=context.is_test)
    if options.bg:
        answer = context.call("cmd.run_bg", command, python_shell=True, **_handed_on(options))
        changes = {**answer, "retcode": None, "stdout": "", "stderr": ""}
        return Outcome(True, f'Command "{name}" run', changes)
    try:
        answer = context.call(
            "cmd.run_all", command, python_shell=options.python_shell, **_handed_on(options)
        )
    except LimpetError as error:
        return failed(str(error))
    is_good = not answer["retcode"]
    if options.ignore_timeout and answer["retcode"] == 1 and "Timed out after" in answer["stdout"]:
        answer["retcode"], is_good = 0, True
    outcome = Outcome(is_good, f'Command "{name}" run', answer)
    if stateful.is_asked_for(options.stateful):
        outcome = stateful.reinterpreted(outcome)
    if context.is_test and not answer["retcode"] and outcome.changes:
        outcome = dataclasses.replace(outcome, result=None)
    return outcome


def wait(context: StateContext, options: RunOptions) -> Outcome:
    """Run a command only if something that is watched has changed."""
    return Outcome(True)


def watch(context: StateContext, options: RunOptions) -> Outcome:
    """Do as `cmd.wait` does."""
    return wait(context, options)


def script(context: StateContext, options: ScriptOptions) -> Outcome:
    """Bring a script to the machine, rendered if it is a template, and run it."""
    name = options.name
    source = options.source or name
    if context.is_test:
        return Outcome(None, f"Command '{name}' would have been executed")
    if missing := _missing_directory(context, options.cwd):
        return missing
    arguments = options.args
    if arguments is None and len(words := name.split(" ", 1)) > 1:
        arguments = words[1]
        source = options.source or words[0]
    path = _brought(context, source, options)
    if path is None:
        changes = {"pid": 0, "retcode": 1, "stdout": "", "stderr": "", "cache_error": True}
        comment = f"Unable to cache script {source} from saltenv '{context.saltenv}'"
        return Outcome(False, comment, changes)
    try:
        answer = context.call("cmd.script", path, args=arguments, **_handed_on(options))
    except LimpetError as error:
        return failed(str(error))
    finally:
        context.host.files.remove(path)
    outcome = Outcome(not answer["retcode"], f"Command '{name}' run", answer)
    return stateful.reinterpreted(outcome) if options.stateful else outcome


def wait_script(context: StateContext, options: ScriptOptions) -> Outcome:
    """Run a script only if something that is watched has changed."""
    return Outcome(True)


def call(
    context: StateContext,
    name: str,
    func: Loose = None,
    args: Loose = (),
    kws: Loose = None,
    **_odd: Loose,
) -> Outcome:
    """Call a Python function; only an SLS in Python can name one."""
    if not isinstance(func, Callable):  # type: ignore[arg-type]
        return failed("cmd.call needs a function as 'func', which only an SLS in Python can give")
    if context.is_test:
        return Outcome(None, f"Command '{name}' would have been executed")
    answer = func(*args, **(kws or {}))
    if isinstance(answer, Mapping):
        found = dict(answer)
        return Outcome(
            found.get("result", True), found.get("comment", ""), found.get("changes", {})
        )
    # A text is an answer too: whatever is not empty has changed something.
    return Outcome(True, "" if answer is None else str(answer))


def wait_call(context: StateContext, name: str, **_odd: Loose) -> Outcome:
    """Call a Python function only if something that is watched has changed."""
    return Outcome(True)


def mod_watch(context: StateContext, name: str, sfun: str = "", **more: Loose) -> Outcome:
    """Run the command, the script or the function: something watched has changed."""
    more.pop("fun", None)
    chunk = {"name": name, **more}
    if sfun in ("wait", "run", "watch"):
        return run(context, _options(RunOptions, chunk))
    if sfun in ("wait_script", "script"):
        return script(context, _options(ScriptOptions, chunk))
    if sfun in ("wait_call", "call"):
        return call(context, name, more.get("func"), more.get("args") or (), more.get("kws"))
    return failed(
        f"cmd.{sfun} does not work with the watch requisite, please use cmd.wait or cmd.wait_script"
    )


def _options(struct: type, chunk: Mapping[str, Any]) -> Any:  # noqa: ANN401
    known = {each.name for each in dataclasses.fields(struct)}
    return struct(**{key: value for key, value in chunk.items() if key in known})


def _handed_on(options: RunOptions | ScriptOptions) -> dict[str, Any]:
    found = {name: getattr(options, name, None) for name in _SHARED}
    return {name: value for name, value in found.items() if value is not None}


def _missing_directory(context: StateContext, cwd: str | None) -> Outcome | None:
    if not cwd or context.host.files.is_directory(cwd):
        return None
    return failed(f'Desired working directory "{cwd}" is not available')


def _brought(context: StateContext, source: str, options: ScriptOptions) -> str | None:
    """Put the script where only root can exchange it; None if there is no such source."""
    content = context.tree.read(source, context.saltenv)
    if content is None:
        return None
    if options.template:
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise HostError(f"{source} is no text in UTF-8: {error}") from error
        variables = {**(options.defaults or {}), **(options.context or {})}
        rendered = context.tree.render(
            text, options.template, variables, saltenv=context.saltenv, source=source
        )
        content = rendered.encode("utf-8", "surrogateescape")
    directory = str(context.functions.places.state_directory)
    if not context.host.files.is_directory(directory):
        directory = "/tmp"  # noqa: S108 — the file is new, private, randomly named
    suffix = os.path.splitext(source.partition("?")[0])[1]
    return context.host.files.place_script(
        content, directory=directory, suffix=suffix if suffix[1:].isalnum() else "", user=None
    )
