"""`pip.*`: Python packages, of the system or of a virtual environment."""

import dataclasses
from typing import Any

from limpet.common.errors import HostError
from limpet.states.context import FunctionContext, Loose
from limpet.states.functions.pip import running, versions, words
from limpet.states.functions.pip.running import PipOptions
from limpet.states.functions.pip.words import InstallOptions


def install(
    context: FunctionContext, pkgs: Loose = None, requirements: Loose = None, **more: Loose
) -> dict[str, Any]:
    """Install packages; give `retcode`, `stdout` and `stderr` as `cmd.run_all` does.

    CLI Example: limpet run '*' pip.install 'markdown,django>=4' bin_env=/srv/venv
    """
    known = {each.name for each in dataclasses.fields(InstallOptions)}
    chosen = {key: value for key, value in more.items() if key in known}
    options = InstallOptions(pkgs=pkgs, requirements=requirements, **chosen)
    said, brought = words.install_words(context, options)
    try:
        done = running.run(
            context,
            options,
            ["install", *running.words_of(options), *said],
            limit_s=running.CHANGE_S,
        )
    finally:
        for each in brought:
            context.host.files.remove(each)
    context.retcode = done.retcode
    return _answer(done)


def uninstall(
    context: FunctionContext,
    pkgs: Loose = None,
    requirements: Loose = None,
    bin_env: str | None = None,
    user: str | None = None,
    cwd: str | None = None,
    **_odd: Loose,
) -> dict[str, Any]:
    """Remove packages; give `retcode`, `stdout` and `stderr`.

    CLI Example: limpet run '*' pip.uninstall markdown bin_env=/srv/venv
    """
    options = InstallOptions(
        pkgs=pkgs, requirements=requirements, bin_env=bin_env, user=user, cwd=cwd
    )
    said, brought = words.install_words(context, options)
    try:
        done = running.run(context, options, ["uninstall", "-y", *said], limit_s=running.CHANGE_S)
    finally:
        for each in brought:
            context.host.files.remove(each)
    context.retcode = done.retcode
    return _answer(done)


def list_(
    context: FunctionContext,
    prefix: str | None = None,
    bin_env: str | None = None,
    user: str | None = None,
    cwd: str | None = None,
    env_vars: Loose = None,
    **_odd: Loose,
) -> dict[str, str]:
    """Give the installed packages with their versions; `prefix`: those that begin so.

    CLI Example: limpet run '*' pip.list salt bin_env=/srv/venv
    """
    options = PipOptions(bin_env=bin_env, user=user, cwd=cwd, env_vars=env_vars)
    found = running.packages(context, options)
    begin = (prefix or "").lower()
    return {name: version for name, version in found.items() if name.lower().startswith(begin)}


def freeze(
    context: FunctionContext,
    bin_env: str | None = None,
    user: str | None = None,
    cwd: str | None = None,
    use_vt: bool = False,
    env_vars: Loose = None,
    **_odd: Loose,
) -> list[str]:
    """Give the installed packages as requirements.

    CLI Example: limpet run '*' pip.freeze bin_env=/srv/venv
    """
    options = PipOptions(bin_env=bin_env, user=user, cwd=cwd, env_vars=env_vars)
    done = running.run(context, options, ["freeze", "--all"])
    if done.retcode != 0:
        raise HostError(f"pip freeze failed: {running.said(done)}")
    return done.stdout.decode("utf-8", "replace").splitlines()


def version(
    context: FunctionContext, bin_env: str | None = None, user: str | None = None, **_odd: Loose
) -> str:
    """Give the version of pip itself.

    CLI Example: limpet run '*' pip.version bin_env=/srv/venv
    """
    done = running.run(context, PipOptions(bin_env=bin_env, user=user), ["--version"])
    words = done.stdout.decode("utf-8", "replace").split()
    if done.retcode != 0 or len(words) < 2:
        raise HostError(f"pip --version failed: {running.said(done)}")
    return words[1]


def is_installed(
    context: FunctionContext, pkgname: str, bin_env: str | None = None, user: str | None = None
) -> bool:
    """Say whether a package is installed.

    CLI Example: limpet run '*' pip.is_installed django bin_env=/srv/venv
    """
    found = running.packages(context, PipOptions(bin_env=bin_env, user=user))
    return versions.normal(pkgname) in {versions.normal(each) for each in found}


def list_upgrades(
    context: FunctionContext,
    bin_env: str | None = None,
    user: str | None = None,
    cwd: str | None = None,
    **more: Loose,
) -> dict[str, str]:
    """Give the packages of which the index has something newer, with the new version.

    CLI Example: limpet run '*' pip.list_upgrades bin_env=/srv/venv
    """
    import json  # only for this

    known = {each.name for each in dataclasses.fields(PipOptions)}
    chosen = {key: value for key, value in more.items() if key in known}
    options = PipOptions(bin_env=bin_env, user=user, cwd=cwd, **chosen)
    argv = ["list", "--outdated", "--format=json", *running.words_of(options)]
    done = running.run(context, options, argv)
    try:
        entries = json.loads(done.stdout)
        return {str(each["name"]): str(each["latest_version"]) for each in entries}
    except (ValueError, KeyError, TypeError):
        raise HostError(f"pip list --outdated failed: {running.said(done)}") from None


def upgrade_available(
    context: FunctionContext, pkg: str, bin_env: str | None = None, user: str | None = None,
    cwd: str | None = None, **more: Loose
) -> bool:  # fmt: skip
    """Say whether the index has something newer of a package.

    CLI Example: limpet run '*' pip.upgrade_available django bin_env=/srv/venv
    """
    found = list_upgrades(context, bin_env, user, cwd, **more)
    return versions.normal(pkg) in {versions.normal(each) for each in found}


def upgrade(
    context: FunctionContext, bin_env: str | None = None, user: str | None = None,
    cwd: str | None = None, **more: Loose
) -> dict[str, dict[str, str]]:  # fmt: skip
    """Upgrade all packages; give what has changed, by name with `old` and `new`.

    CLI Example: limpet run '*' pip.upgrade bin_env=/srv/venv
    """
    options = PipOptions(bin_env=bin_env, user=user, cwd=cwd)
    before = running.packages(context, options)
    names = list(list_upgrades(context, bin_env, user, cwd, **more))
    if names:
        answer = install(
            context, names, bin_env=bin_env, user=user, cwd=cwd, **{**more, "upgrade": True}
        )
        if answer["retcode"]:
            raise HostError(f"pip could not upgrade {', '.join(names)}: {answer['stderr']}")
    after = running.packages(context, options) if names else before
    return {
        name: {"old": before.get(name, ""), "new": number}
        for name, number in after.items()
        if before.get(name) != number
    }


def normalize(context: FunctionContext, name: str) -> str:
    """Give a package's name as all its spellings have it in common.

    CLI Example: limpet run '*' pip.normalize My_Package
    """
    return versions.normal(name)


def list_freeze_parse(
    context: FunctionContext,
    prefix: str | None = None,
    bin_env: str | None = None,
    user: str | None = None,
    **_odd: Loose,
) -> dict[str, str]:
    """Give what `pip.list` gives.

    CLI Example: limpet run '*' pip.list_freeze_parse bin_env=/srv/venv
    """
    return list_(context, prefix, bin_env, user)


def _answer(done: Any) -> dict[str, Any]:  # noqa: ANN401 — Completed
    return {
        "pid": done.pid,
        "retcode": done.retcode,
        "stdout": done.stdout.decode("utf-8", "replace").strip(),
        "stderr": done.stderr.decode("utf-8", "replace").strip(),
    }
