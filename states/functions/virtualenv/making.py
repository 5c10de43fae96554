"""Making virtual environments, by virtualenv or Python's venv."""

import os.path
from dataclasses import dataclass
from typing import Final

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext, Loose
from limpet.states.functions.pip import running
from limpet.states.ports.machine import Command, Completed

_CREATE_S: Final = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateOptions:
    """How an environment is made."""

    path: str
    venv_bin: str | None = None
    """`virtualenv`, `venv` or `pyvenv`, or a path; None: virtualenv if it is there, else venv."""
    system_site_packages: bool = False
    clear: bool = False
    python: str | None = None
    """The interpreter that it is made for."""
    extra_search_dir: Loose = None
    never_download: bool | None = None
    prompt: str | None = None
    pip: bool = False
    """No effect: pip is always there."""
    symlinks: bool | None = None
    upgrade: bool | None = None
    user: str | None = None
    distribute: Loose = None
    use_vt: bool = False
    saltenv: str = "base"


def python_of(context: FunctionContext, path: str) -> str | None:
    """Give the interpreter of an environment; None: there is no environment."""
    python = os.path.join(path, "bin/python")
    return python if context.host.files.is_program(python) else None


def make(context: FunctionContext, options: CreateOptions) -> Completed:
    """Make an environment and wait for it."""
    if not options.path.startswith("/"):
        raise UsageError(f"{options.path!r} is not an absolute path")
    program = options.venv_bin or ("virtualenv" if _which(context, "virtualenv") else "venv")
    words: list[str]
    if os.path.basename(program) in ("venv", "pyvenv"):
        words = [found(context, options.python or "python3"), "-m", "venv"]
        if options.symlinks is not None:
            words.append("--symlinks" if options.symlinks else "--copies")
        if options.upgrade:
            words.append("--upgrade")
    else:
        words = [found(context, program)]
        if options.python:
            words.append(f"--python={options.python}")
        words += [f"--extra-search-dir={each}" for each in running.listed(options.extra_search_dir)]
        if options.never_download:
            words.append("--no-download")
    if options.clear:
        words.append("--clear")
    if options.system_site_packages:
        words.append("--system-site-packages")
    if options.prompt:
        words.append(f"--prompt={options.prompt}")
    return run(context, [*words, options.path], options.user)


def _which(context: FunctionContext, name: str) -> str | None:
    if "/" in name:
        return name if context.host.files.is_program(name) else None
    return context.host.commands.which(name)


def found(context: FunctionContext, name: str) -> str:
    """Give the path of a program. Raises `HostError`, `UsageError`."""
    if name.startswith("-"):
        raise UsageError(f"{name!r} is no program")
    path = _which(context, name)
    if path is None:
        raise HostError(f"{name} is not there; install it, or name another with venv_bin")
    return path


def run(context: FunctionContext, words: list[str], user: str | None) -> Completed:
    """Run a program without the variables of the environment that this process runs in."""
    commands = context.host.commands
    environment = {
        key: value
        for key, value in commands.environment().items()
        if key not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
    }
    if user:
        account = context.host.accounts.user(user)
        if account is None:
            raise HostError(f"User '{user}' is not available")
        environment.update(HOME=account.home, USER=user, LOGNAME=user)
    done = commands.run(
        Command(tuple(words), environment=environment, cwd="/", user=user, timeout_s=_CREATE_S)
    )
    if done.is_timed_out:
        raise HostError(f"{words[0]} did not end within {_CREATE_S:g} s")
    return done
