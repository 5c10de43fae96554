"""git's own configuration, of one repository or of a user."""

from typing import Any

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext, Loose
from limpet.states.functions.git.running import run


def config_get(
    context: FunctionContext,
    key: str,
    cwd: str | None = None,
    user: str | None = None,
    ignore_retcode: bool = False,
    all: bool = False,  # noqa: A002 — Salt's name
    **more: Loose,
) -> Loose:
    """Give a value; with `all` the list of all values of the key. None: it is not set.

    CLI Example: limpet run web1 git.config_get user.email cwd=/srv/app
    """
    words = ["config", *_scope(cwd, more), "--get-all" if all else "--get", key]
    answer = run(context, words, cwd=cwd, user=user, is_checked=False)
    if answer["retcode"] == 1:
        return None
    _check(answer, f"Failed to get value(s) for {key}")
    return str(answer["stdout"]).splitlines() if all else str(answer["stdout"])


def config_get_regexp(
    context: FunctionContext,
    key: str,
    value_regex: str | None = None,
    cwd: str | None = None,
    user: str | None = None,
    ignore_retcode: bool = False,
    **more: Loose,
) -> dict[str, list[str]]:
    r"""Give all values of the keys that a regular expression fits.

    CLI Example: limpet run web1 git.config_get_regexp 'foo\.*' cwd=/srv/app
    """
    words = ["config", *_scope(cwd, more), "--null", "--get-regexp", key]
    words += [] if value_regex is None else [str(value_regex)]
    answer = run(context, words, cwd=cwd, user=user, is_checked=False)
    if answer["retcode"] == 1:
        return {}
    _check(answer, f"Failed to get value(s) for {key}")
    found: dict[str, list[str]] = {}
    for entry in str(answer["stdout"]).split("\0"):
        name, separator, value = entry.partition("\n")
        if name:
            found.setdefault(name, []).append(value if separator else "")
    return found


def config_get_regex(
    context: FunctionContext,
    key: str,
    value_regex: str | None = None,
    cwd: str | None = None,
    user: str | None = None,
    ignore_retcode: bool = False,
    **more: Loose,
) -> dict[str, list[str]]:
    r"""Give all values of the keys that fit; another name of `git.config_get_regexp`.

    CLI Example: limpet run web1 git.config_get_regex 'foo\.*' cwd=/srv/app
    """
    return config_get_regexp(context, key, value_regex, cwd, user, **more)


def config_set(
    context: FunctionContext,
    key: str,
    value: Loose = None,
    multivar: Loose = None,
    cwd: str | None = None,
    user: str | None = None,
    ignore_retcode: bool = False,
    add: bool = False,
    **more: Loose,
) -> list[str]:
    """Set a key to a value, or to several by `multivar`; give its values.

    CLI Example: limpet run web1 git.config_set user.email me@example.com cwd=/srv/app
    """
    if (value is None) == (multivar is None):
        raise UsageError("git.config_set: one of 'value' and 'multivar' is wanted")
    values = [value] if multivar is None else _listed(multivar)
    head = ["config", *_scope(cwd, more)]
    for number, each in enumerate(values):
        how = "--add" if add or number else "--replace-all"
        run(context, [*head, how, key, str(each)], cwd=cwd, user=user)
    found = config_get(context, key, cwd, user, all=True, **more)
    return list(found or [])


def config_unset(
    context: FunctionContext,
    key: str,
    value_regex: str | None = None,
    cwd: str | None = None,
    user: str | None = None,
    ignore_retcode: bool = False,
    all: bool = False,  # noqa: A002 — Salt's name
    **more: Loose,
) -> bool:
    """Unset a key; one of several values needs `value_regex`, all of them `all`.

    CLI Example: limpet run web1 git.config_unset foo.bar cwd=/srv/app
    """
    words = ["config", *_scope(cwd, more), "--unset-all" if all else "--unset", key]
    words += [] if value_regex is None else [str(value_regex)]
    answer = run(context, words, cwd=cwd, user=user, is_checked=False)
    if answer["retcode"] == 5 and not answer["stderr"]:
        raise HostError(f"Key '{key}' is not set")
    _check(answer, f"Key '{key}' can't be unset")
    return True


def _scope(cwd: str | None, more: dict[str, Any]) -> list[str]:
    if more.get("global"):
        return ["--global"]
    if more.get("system"):
        return ["--system"]
    if cwd is None:
        raise UsageError("'cwd' argument required unless global=True")
    return ["--local"]


def _listed(values: Loose) -> list[str]:
    return [str(each) for each in (values if isinstance(values, list) else str(values).split(","))]


def _check(answer: dict[str, Any], what: str) -> None:
    if answer["retcode"] != 0:
        raise HostError(f"{what}: {answer['stderr'] or answer['stdout']}")
