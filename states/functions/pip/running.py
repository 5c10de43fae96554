"""Running pip: which one, with which options, and what it says."""

import json
import os.path
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext, Loose
from limpet.states.functions.pip import versions
from limpet.states.ports.machine import Command, Completed

QUESTION_S: Final = 300.0
CHANGE_S: Final = 4 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PipOptions:
    """What functions and states share: which pip, as whom, and how it installs."""

    bin_env: str | None = None
    """A virtual environment, or the path of its python or pip; None: the system's python3."""
    pip_bin: str | None = None
    """As `bin_env`."""
    user: str | None = None
    """Run as this account."""
    cwd: str | None = None
    env_vars: Loose = None
    find_links: Loose = None
    index_url: str | None = None
    extra_index_url: Loose = None
    no_index: bool = False
    proxy: str | None = None
    timeout: Loose = None
    target: str | None = None
    upgrade: bool = False
    force_reinstall: bool = False
    ignore_installed: bool = False
    exists_action: str | None = None
    no_deps: bool = False
    pre_releases: bool = False
    cert: str | None = None
    trusted_host: Loose = None
    no_cache_dir: bool = False
    cache_dir: str | None = None
    no_binary: Loose = None
    use_wheel: bool = False
    no_use_wheel: bool = False
    global_options: Loose = None
    install_options: Loose = None
    """No effect: pip no longer has it."""
    source: str | None = None
    log: str | None = None
    disable_version_check: bool = True
    extra_args: Loose = None
    """Further options, in pip's own words."""


_FLAGS: Final = {
    "no_index": "--no-index", "upgrade": "--upgrade", "force_reinstall": "--force-reinstall",
    "ignore_installed": "--ignore-installed", "no_deps": "--no-deps", "pre_releases": "--pre",
    "no_cache_dir": "--no-cache-dir",
}  # fmt: skip
_VALUES: Final = {
    "find_links": "--find-links", "index_url": "--index-url", "proxy": "--proxy",
    "extra_index_url": "--extra-index-url", "timeout": "--timeout", "target": "--target",
    "exists_action": "--exists-action", "cert": "--cert", "trusted_host": "--trusted-host",
    "cache_dir": "--cache-dir", "no_binary": "--no-binary", "source": "--src", "log": "--log",
    "global_options": "--global-option",
}  # fmt: skip
_ADDRESSES: Final = {
    "find_links": "PIP_FIND_LINKS", "index_url": "PIP_INDEX_URL",
    "extra_index_url": "PIP_EXTRA_INDEX_URL", "proxy": "PIP_PROXY",
}  # fmt: skip
_WITH_USER: Final = re.compile(r"://[^/\s]*@")


def _secret_addresses(options: PipOptions) -> dict[str, str]:
    """Give the options whose addresses hold a name or password, as pip's variables.

    Arguments can be read by every user of the machine.
    """
    given = {name: " ".join(map(str, listed(getattr(options, name)))) for name in _ADDRESSES}
    return {name: text for name, text in given.items() if _WITH_USER.search(text)}


def words_of(options: PipOptions) -> list[str]:
    """Give the options as pip's own, but for those that `run` hands over otherwise."""
    found = [flag for name, flag in _FLAGS.items() if getattr(options, name)]
    secret = _secret_addresses(options)
    for name, flag in _VALUES.items():
        if name in secret:
            continue
        found += [f"{flag}={each}" for each in listed(getattr(options, name))]
    for extra in listed(options.extra_args, separator="\n"):
        found += _extra(extra)
    return found


def _extra(given: Loose) -> list[str]:
    if isinstance(given, Mapping):
        return [f"{key}={value}" for key, value in given.items()]
    word = str(given)
    if not word.startswith("-"):
        raise UsageError(f"extra_args are options of pip, which {word!r} is not")
    return [word]


def listed(given: Loose, *, separator: str = ",") -> list[Any]:
    """Give a value as a list: of one, or of those between the commas."""
    if given is None or given == "":
        return []
    if isinstance(given, list | tuple):
        return list(given)
    if isinstance(given, str):
        return [each.strip() for each in given.split(separator) if each.strip()]
    return [given]


def program(context: FunctionContext, bin_env: str | None) -> list[str]:
    """Give the words that pip is called with. Raises `HostError` where there is none."""
    files = context.host.files
    if not bin_env:
        python = context.host.commands.which("python3") or context.host.commands.which("python")
        if python is None:
            raise HostError("there is no python3 on this machine's PATH; give bin_env")
        return [python, "-m", "pip"]
    if files.is_directory(bin_env):
        for name in ("bin/python", "bin/python3"):
            if files.is_program(path := os.path.join(bin_env, name)):
                return [path, "-m", "pip"]
        raise HostError(f"there is no bin/python in {bin_env}, could not find a pip binary")
    path = bin_env if "/" in bin_env else context.host.commands.which(bin_env) or bin_env
    if not files.is_program(path):
        raise HostError(f"Access denied to {bin_env}, could not find a pip binary")
    is_python = os.path.basename(path).startswith(("python", "pypy"))
    return [path, "-m", "pip"] if is_python else [path]


def run(
    context: FunctionContext,
    options: PipOptions,
    words: Sequence[str],
    *,
    limit_s: float = QUESTION_S,
) -> Completed:
    """Run pip to its end."""
    commands = context.host.commands
    environment = {
        key: value
        for key, value in commands.environment().items()
        if key not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
    }
    if options.user:
        account = context.host.accounts.user(options.user)
        if account is None:
            raise HostError(f"User '{options.user}' is not available")
        environment.update(HOME=account.home, USER=account.name, LOGNAME=account.name)
    environment.update(
        PIP_NO_INPUT="1", PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_ROOT_USER_ACTION="ignore",
        LC_ALL="C.UTF-8",
    )  # fmt: skip
    environment.update(
        {_ADDRESSES[name]: text for name, text in _secret_addresses(options).items()}
    )
    given = options.env_vars
    pairs = (
        given if isinstance(given, Mapping) else {k: v for e in given or () for k, v in e.items()}
    )
    environment.update({str(key): str(value) for key, value in pairs.items()})
    argv = (*program(context, options.bin_env or options.pip_bin), *words)
    done = commands.run(
        Command(
            argv,
            environment=environment,
            cwd=options.cwd or "/",
            user=options.user,
            timeout_s=limit_s,
        )
    )
    if done.is_timed_out:
        raise HostError(f"{' '.join(argv[:4])} did not end within {limit_s:g} s and was ended")
    return done


def said(done: Completed) -> str:
    """Give what pip has told, errors last."""
    parts = (done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))
    return "\n".join(part.strip() for part in parts if part.strip())[-4000:]


def packages(context: FunctionContext, options: PipOptions) -> dict[str, str]:
    """Give the installed packages with their versions, by the names that they have themselves."""
    place = [f"--path={options.target}"] if options.target else []
    done = run(context, options, ["list", "--format=json", *place])
    try:
        entries = json.loads(done.stdout)
        return {str(each["name"]): str(each["version"]) for each in entries}
    except (ValueError, KeyError, TypeError):
        raise HostError(f"pip list failed: {said(done)}") from None


def foreseen(
    context: FunctionContext, options: PipOptions, words: Sequence[str]
) -> dict[str, str] | None:
    """Give what an installation would install, with versions; None: this pip can't tell.

    Nothing is installed by it. Raises `HostError` where the installation would fail.
    """
    argv = ["install", "--dry-run", "--quiet", "--report=-", *words_of(options), *words]
    done = run(context, options, argv, limit_s=CHANGE_S)
    if done.retcode != 0:
        text = said(done)
        if "no such option" in text:
            return None
        raise HostError(text)
    try:
        report = json.loads(done.stdout)
        return {
            versions.normal(each["metadata"]["name"]): str(each["metadata"]["version"])
            for each in report["install"]
        }
    except (ValueError, KeyError, TypeError):
        return None
