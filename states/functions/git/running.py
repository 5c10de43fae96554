"""How git is run: never asking anybody, within a time, with secrets in no argument.

    words -> environment (prompts off, ssh in batch mode, credentials) -> cmd.run_all -> stdout

Names and passwords of https reach git through its environment, by a credential helper; they stand
in no argv, no configuration file, no message.
"""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext, Loose

LOCAL_S: Final = 600.0
"""For what git does on this machine alone."""
REMOTE_S: Final = 3600.0
"""For what waits for another machine."""
_SSH: Final = "ssh -oBatchMode=yes -oConnectTimeout=30 -oStrictHostKeyChecking=accept-new"
_CREDENTIALS: Final = (
    '!f() { test "$1" = get || exit 0; '
    'echo "username=$LIMPET_GIT_USER"; echo "password=$LIMPET_GIT_PASS"; }; f'
)
_USER_IN_URL: Final = re.compile(r"(\w+://)[^/@\s]+@")


@dataclass(frozen=True, slots=True)
class Access:
    """With what git shows another machine who it is."""

    identity: Loose = None
    """Private key files for ssh: paths or `salt://`, one or a list."""
    https_user: str | None = None
    https_pass: str | None = None
    saltenv: str = "base"

    @property
    def keys(self) -> list[str]:
        """The key files as a list."""
        if not self.identity:
            return []
        return (
            [str(each) for each in self.identity]
            if isinstance(self.identity, list)
            else [str(self.identity)]
        )


def split_url(url: str, access: Access) -> tuple[str, Access]:
    """Take a name and password out of an address; those that are given beside it win."""
    parts = urlsplit(url) if url.startswith(("http://", "https://")) else None
    if parts is None or parts.username is None:
        return url, access
    host = parts.netloc.rpartition("@")[2]
    bare = urlunsplit(parts._replace(netloc=host))
    return bare, Access(
        access.identity,
        access.https_user or unquote(parts.username),
        access.https_pass or unquote(parts.password or ""),
        access.saltenv,
    )


def with_user(url: str, access: Access) -> str:
    """Give the address with name and password in it, as a configuration file may hold it."""
    parts = urlsplit(url)
    if not access.https_user or parts.scheme not in ("http", "https"):
        return url
    secret = f":{quote(access.https_pass, safe='')}" if access.https_pass else ""
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{quote(access.https_user, safe='')}{secret}@{host}"))


def redacted(text: str) -> str:
    """Give a text without names and passwords in addresses."""
    return _USER_IN_URL.sub(r"\1<redacted>@", text)


def words_of(text: str | None) -> list[str]:
    """Split options as a shell does. Raises `UsageError`."""
    try:
        return shlex.split(text or "")
    except ValueError as error:
        raise UsageError(f"the options {text!r} can't be split into words: {error}") from None


def run(
    context: FunctionContext,
    words: Sequence[str],
    *,
    cwd: str | None,
    user: str | None = None,
    access: Access | None = None,
    limit_s: float = LOCAL_S,
    is_checked: bool = True,
    encoding: str | None = None,
    variables: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Run git; give `retcode`, `stdout`, `stderr`.

    Raises `HostError` where it can't be run, has no end in time or (`is_checked`) fails.
    """
    if context.host.commands.which("git") is None:
        raise HostError("git is not installed on this machine")
    if cwd is not None and not context.host.files.is_directory(cwd):
        raise HostError(f"there is no directory {cwd} to run git in")
    with ExitStack() as stack:
        environment = {
            "GIT_TERMINAL_PROMPT": "0",
            "SSH_ASKPASS_REQUIRE": "never",
            "GIT_SSH_COMMAND": _SSH,
            **(variables or {}),
        }
        if access is not None:
            environment |= stack.enter_context(_shown(context, access, user))
        answer = dict(
            context.call(
                "cmd.run_all",
                ["git", *words],
                cwd=cwd,
                runas=user or None,
                env=environment,
                python_shell=False,
                timeout=limit_s,
                ignore_retcode=True,
                output_encoding=encoding,
            )
        )
    if is_checked and answer["retcode"] != 0:
        said = str(answer["stderr"] or answer["stdout"])
        shown = " ".join(["git", *words])
        raise HostError(redacted(f"Command '{shown}' failed: {said}"))
    return answer


@contextmanager
def _shown(context: FunctionContext, access: Access, user: str | None) -> Iterator[dict[str, str]]:
    """Give the variables by which git gets at keys and credentials; copies of keys go after it."""
    environment: dict[str, str] = {}
    placed: list[str] = []
    try:
        keys = [_key(context, each, access.saltenv, user, placed) for each in access.keys]
        if keys:
            options = " ".join(f"-i {shlex.quote(each)}" for each in keys)
            environment["GIT_SSH_COMMAND"] = f"{_SSH} -oIdentitiesOnly=yes {options}"
        if access.https_user:
            environment |= {
                "GIT_CONFIG_COUNT": "2",
                "GIT_CONFIG_KEY_0": "credential.helper",
                "GIT_CONFIG_VALUE_0": "",
                "GIT_CONFIG_KEY_1": "credential.helper",
                "GIT_CONFIG_VALUE_1": _CREDENTIALS,
                "LIMPET_GIT_USER": access.https_user,
                "LIMPET_GIT_PASS": access.https_pass or "",
            }
        yield environment
    finally:
        for path in placed:
            context.host.files.remove(path)


def _key(
    context: FunctionContext, key: str, saltenv: str, user: str | None, placed: list[str]
) -> str:
    """Give the path of a key file; one of the tree is brought here, for its reader alone."""
    if "://" not in key:
        path = key
        if key.startswith("~") and user:
            account = context.host.accounts.user(user)
            path = key.replace("~", account.home, 1) if account is not None else key
        if not context.host.files.exists(path):
            raise HostError(f"Identity file {key} does not exist")
        return path
    cached = context.call("cp.cache_file", key, saltenv)
    if not cached:
        raise HostError(f"Identity file {key} was not found in the environment {saltenv!r}")
    content = context.host.file_system.read(str(cached))
    folder = "/tmp" if user else str(context.places.state_directory)  # noqa: S108 — new, private
    path = context.host.files.place_script(content, directory=folder, suffix="", user=user)
    placed.append(path)  # its mode is left alone: the user may have put a link there by now
    return path
