"""The `pip` states: which Python packages are installed, system-wide or in an environment."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from limpet.common.errors import HostError, UsageError
from limpet.states.context import Loose
from limpet.states.functions import pip
from limpet.states.functions.pip import running, versions
from limpet.states.functions.pip.running import PipOptions
from limpet.states.functions.pip.versions import Requirement
from limpet.states.functions.pip.words import InstallOptions, install_words
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledOptions(PipOptions):
    """Arguments of `pip.installed`."""

    name: str
    pkgs: Loose = None
    requirements: Loose = None
    editable: Loose = None


@dataclass(slots=True)
class _Look:
    """What is wanted, beside what is there."""

    missing: list[Requirement]
    lines: list[str]
    present: Mapping[str, str]
    """Versions by normalized name."""


def installed(context: StateContext, options: InstalledOptions) -> Outcome:
    """See to it that Python packages are installed, in the versions that are asked for."""
    name = options.name
    try:
        if options.requirements or options.editable:
            return _by_requirements(context, options)
        texts = [str(each) for each in running.listed(options.pkgs, separator="\n")] or [name]
        if options.pkgs is not None:
            name = ";".join(texts)
        wanted = [versions.requirement(each) for each in texts]
        look = _look(context, options, wanted)
        if not look.missing:
            newest = " and up-to-date" if options.upgrade else ""
            lines = [*look.lines, f"All specified packages are already installed{newest}"]
            return Outcome(True, "\n".join(lines), name=name)
        if context.is_test:
            return _announced(look, name, is_list=options.pkgs is not None)
        return _done(context, options, look, name)
    except (HostError, UsageError) as error:
        return dataclasses.replace(failed(f"Error installing '{name}': {error}"), name=name)


def removed(
    context: StateContext,
    name: str,
    requirements: Loose = None,
    bin_env: str | None = None,
    user: str | None = None,
    cwd: str | None = None,
    **_odd: Loose,
) -> Outcome:
    """See to it that a Python package is not installed."""
    options = PipOptions(bin_env=bin_env, user=user, cwd=cwd)
    try:
        wanted = versions.requirement(name)
        if wanted.name not in _present(context, options):
            return Outcome(True, "Package is not installed.")
        if context.is_test:
            return Outcome(None, f"Package {name} is set to be removed", {name: "Removed"})
        answer = pip.uninstall(
            context.functions, [wanted.name], bin_env=bin_env, user=user, cwd=cwd
        )
        if answer["retcode"] or wanted.name in _present(context, options):
            return failed(f"Could not remove package: {answer['stderr'] or answer['stdout']}")
        return Outcome(True, "Package was successfully removed.", {name: "Removed"})
    except (HostError, UsageError) as error:
        return failed(f"Error uninstalling '{name}': {error}")


def uptodate(
    context: StateContext,
    name: str,
    bin_env: str | None = None,
    user: str | None = None,
    cwd: str | None = None,
    use_vt: bool = False,
    **more: Loose,
) -> Outcome:
    """See to it that all Python packages are as new as the index has them."""
    try:
        functions = context.functions
        known = {each.name for each in dataclasses.fields(PipOptions)}
        chosen = {key: value for key, value in more.items() if key in known}
        newer = pip.list_upgrades(functions, bin_env, user, cwd, **chosen)
        if not newer:
            return Outcome(True, "System is already up-to-date.")
        if context.is_test:
            changes = {each: {"old": "", "new": number} for each, number in newer.items()}
            return Outcome(None, "System update will be performed", changes)
        done = pip.upgrade(functions, bin_env, user, cwd, **chosen)
        return Outcome(True, "Upgrade successful.", done)
    except (HostError, UsageError) as error:
        return failed(str(error))


def _look(context: StateContext, options: InstalledOptions, wanted: list[Requirement]) -> _Look:
    present = _present(context, options)
    newer: dict[str, str] | None = None
    if options.upgrade and not options.force_reinstall:
        texts = [each.text for each in wanted]
        newer = running.foreseen(context.functions, options, ["--", *texts])
    look = _Look([], [], present)
    is_forced = options.force_reinstall or options.ignore_installed
    for each in wanted:
        version = present.get(each.name)
        if (
            is_forced
            or version is None
            or not each.is_met(version)
            or (options.upgrade and (newer is None or each.name in newer))
        ):
            look.missing.append(each)
        elif options.upgrade:
            look.lines.append(
                f"Python package {each.text} was already installed and\n"
                "the available upgrade doesn't fulfills the version requirements"
            )
        else:
            look.lines.append(f"Python package {each.text} was already installed")
    return look


def _announced(look: _Look, name: str, *, is_list: bool) -> Outcome:
    texts = [each.text for each in look.missing]
    if is_list:
        comment = "Python package(s) set to be installed:\n" + "\n".join(texts)
    else:
        comment = f"Python package {texts[0]} is set to be installed"
    changes = dict.fromkeys(texts, "Installed")
    return Outcome(None, "\n".join([*look.lines, comment]), changes, name=name)


def _done(context: StateContext, options: InstalledOptions, look: _Look, name: str) -> Outcome:
    functions = context.functions
    texts = [each.text for each in look.missing]
    answer = pip.install(functions, texts, **_shared(options))
    functions.retcode = 0
    if answer["retcode"]:
        told = " ".join(each for each in (answer["stdout"], answer["stderr"]) if each)
        comment = f"Failed to install packages: {', '.join(texts)}. Error: {told}"
        return Outcome(False, comment, name=name)
    after = _present(context, options)
    changes: dict[str, str] = {}
    lost: list[str] = []
    for each in look.missing:
        version = after.get(each.name)
        if version is not None:
            changes[f"{each.name}=={version}"] = "Installed"
        elif each.name and not options.target:
            lost.append(each.text)
        else:
            changes[f"{each.text}==???"] = "Installed"
    if lost:
        lines = [
            "There was no error installing package(s) "
            f"'{', '.join(lost)}' although it does not show when calling 'pip.freeze'."
        ]
        return Outcome(False, "\n".join([*look.lines, *lines]), changes, name=name)
    lines = [*look.lines, "All packages were successfully installed"]
    return Outcome(True, "\n".join(lines), changes, name=name)


def _by_requirements(context: StateContext, options: InstalledOptions) -> Outcome:
    """Install what files of requirements or editable packages say."""
    functions = context.functions
    what = _named(options)
    asked = InstallOptions(
        requirements=options.requirements, editable=options.editable, saltenv=context.saltenv,
        **_shared(options),
    )  # fmt: skip
    words, brought = install_words(functions, asked)
    key = "requirements" if options.requirements else "editable"
    try:
        if context.is_test:
            planned = running.foreseen(functions, options, words)
            if planned is not None and not planned:
                return Outcome(True, f"{what} is processed already: all is installed")
            return Outcome(None, f"{what} will be processed.", {key: True})
        before = _present(context, options)
        words = ["install", *running.words_of(options), *words]
        done = running.run(functions, options, words, limit_s=running.CHANGE_S)
    except HostError as error:
        return failed(f"Unable to process {what}: {error}")
    finally:
        for each in brought:
            context.host.files.remove(each)
    if done.retcode != 0:
        return failed(f"Unable to process {what} Error: {running.said(done)}")
    is_changed = _present(context, options) != before or options.force_reinstall
    comment = f"Successfully processed {what[0].lower()}{what[1:]}."
    return Outcome(True, comment, {key: True} if is_changed else {})


def _named(options: InstalledOptions) -> str:
    if options.requirements:
        files = ", ".join(str(each) for each in running.listed(options.requirements))
        return f"Requirements file '{files}'"
    return f"Package installed in editable mode {', '.join(running.listed(options.editable))}"


def _present(context: StateContext, options: PipOptions) -> dict[str, str]:
    found = running.packages(context.functions, options)
    return {versions.normal(name): version for name, version in found.items()}


def _shared(options: PipOptions) -> dict[str, Any]:
    return {each.name: getattr(options, each.name) for each in dataclasses.fields(PipOptions)}
