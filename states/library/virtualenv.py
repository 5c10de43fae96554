"""The `virtualenv` states: Python environments of their own, with packages in them."""

from dataclasses import dataclass
from typing import Any

from limpet.common.errors import HostError, UsageError
from limpet.states.context import Loose
from limpet.states.functions import pip
from limpet.states.functions.pip import running
from limpet.states.functions.pip.words import InstallOptions, install_words
from limpet.states.functions.virtualenv import making
from limpet.states.functions.virtualenv.making import CreateOptions
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed


@dataclass(frozen=True, slots=True)
class ManagedOptions:
    """Arguments of `virtualenv.managed`."""

    name: str
    venv_bin: str | None = None
    requirements: str | None = None
    system_site_packages: bool = False
    distribute: Loose = None
    use_wheel: bool = False
    clear: bool = False
    python: str | None = None
    extra_search_dir: Loose = None
    never_download: bool | None = None
    prompt: str | None = None
    user: str | None = None
    cwd: str | None = None
    index_url: str | None = None
    extra_index_url: Loose = None
    pre_releases: bool = False
    no_deps: bool = False
    pip_download: str | None = None
    pip_download_cache: str | None = None
    pip_exists_action: str | None = None
    pip_ignore_installed: bool = False
    proxy: str | None = None
    use_vt: bool = False
    env_vars: Loose = None
    no_use_wheel: bool = False
    pip_upgrade: bool = False
    pip_pkgs: Loose = None
    pip_no_cache_dir: bool = False
    pip_cache_dir: str | None = None
    process_dependency_links: bool = False
    no_binary: Loose = None
    find_links: Loose = None
    no_index: bool = False


def managed(context: StateContext, options: ManagedOptions) -> Outcome:
    """See to it that there is a virtual environment, with the packages that are named."""
    try:
        return _managed(context, options)
    except (HostError, UsageError) as error:
        return failed(str(error))


def _managed(context: StateContext, options: ManagedOptions) -> Outcome:
    functions = context.functions
    is_there = making.python_of(functions, options.name) is not None
    install = _install_options(context, options)
    wants_packages = bool(options.requirements or options.pip_pkgs)
    if context.is_test:
        return _announced(context, options, install if wants_packages else None, is_there)
    changes: dict[str, Any] = {}
    before: list[str] = []
    if is_there:
        before = pip.freeze(functions, bin_env=options.name, user=options.user)
    comment = "virtualenv exists"
    if not is_there or options.clear:
        done = making.make(functions, _create_options(options))
        if done.retcode != 0:
            return failed(running.said(done) or f"{options.name} could not be made")
        changes["new"] = ""  # as Salt: it looks for the version where Python 3 does not write it
        comment = "Created new virtualenv"
        if is_there:
            comment = "Cleared existing virtualenv"
            changes |= {"cleared_packages": before, "old": ""}
    if not wants_packages:
        return Outcome(True, comment, changes)
    before = pip.freeze(functions, bin_env=options.name, user=options.user)
    words, brought = install_words(functions, install)
    try:
        argv = ["install", *running.words_of(install), *words]
        done = running.run(functions, install, argv, limit_s=running.CHANGE_S)
    finally:
        for each in brought:
            context.host.files.remove(each)
    after = pip.freeze(functions, bin_env=options.name, user=options.user)
    new = [each for each in after if each not in before]
    old = [each for each in before if each not in after]
    if new or old:
        changes["packages"] = {"new": new or "", "old": old or ""}
    if done.retcode != 0:
        return Outcome(False, f"{comment}\n{running.said(done)}", changes)
    return Outcome(True, comment, changes)


def _announced(
    context: StateContext,
    options: ManagedOptions,
    install: InstallOptions | None,
    is_there: bool,
) -> Outcome:
    name = options.name
    if not is_there:
        return Outcome(None, f"Virtualenv {name} is set to be created", {"new": ""})
    if options.clear:
        return Outcome(None, f"Virtualenv {name} is set to be cleared", {"new": "", "old": ""})
    if install is None:
        return Outcome(True, f"Virtualenv {name} is already created")
    words, brought = install_words(context.functions, install)
    try:
        planned = running.foreseen(context.functions, install, words)
    finally:
        for each in brought:
            context.host.files.remove(each)
    if planned is not None and not planned:
        return Outcome(True, f"Virtualenv {name} is already created")
    new = [f"{key}=={value}" for key, value in sorted((planned or {}).items())]
    comment = f"Packages of the virtualenv {name} are set to be installed"
    return Outcome(None, comment, {"packages": {"new": new or "", "old": ""}})


def _create_options(options: ManagedOptions) -> CreateOptions:
    return CreateOptions(
        path=options.name,
        venv_bin=options.venv_bin,
        system_site_packages=options.system_site_packages,
        clear=options.clear,
        python=options.python,
        extra_search_dir=options.extra_search_dir,
        never_download=options.never_download,
        prompt=options.prompt,
        user=options.user,
    )


def _install_options(context: StateContext, options: ManagedOptions) -> InstallOptions:
    return InstallOptions(
        pkgs=options.pip_pkgs,
        requirements=options.requirements,
        saltenv=context.saltenv,
        bin_env=options.name,
        user=options.user,
        cwd=options.cwd,
        env_vars=options.env_vars,
        index_url=options.index_url,
        extra_index_url=options.extra_index_url,
        find_links=options.find_links,
        no_index=options.no_index,
        pre_releases=options.pre_releases,
        no_deps=options.no_deps,
        exists_action=options.pip_exists_action,
        ignore_installed=options.pip_ignore_installed,
        proxy=options.proxy,
        upgrade=options.pip_upgrade,
        no_cache_dir=options.pip_no_cache_dir,
        cache_dir=options.pip_cache_dir,
        no_binary=options.no_binary,
    )
