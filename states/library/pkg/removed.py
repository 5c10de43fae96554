"""`pkg.removed` and `pkg.purged`: packages are not installed."""

from dataclasses import dataclass

from limpet.common.errors import HostError, UsageError
from limpet.states.context import Loose
from limpet.states.functions.pkg import changing, conditions
from limpet.states.functions.pkg.changing import RemovalFailed
from limpet.states.functions.pkg.wanted import Wanted, wanted
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed


@dataclass(frozen=True, slots=True)
class RemovedOptions:
    """Arguments of `pkg.removed` and `pkg.purged`."""

    name: str
    version: Loose = None
    """Remove only a version that fulfils this."""
    pkgs: Loose = None
    normalize: bool = True
    ignore_epoch: bool = False


def removed(context: StateContext, options: RemovedOptions) -> Outcome:
    """See to it that packages are not installed; their configuration files stay."""
    return _gone(context, options, is_purge=False)


def purged(context: StateContext, options: RemovedOptions) -> Outcome:
    """See to it that packages are not installed, and nothing of their configuration is left."""
    return _gone(context, options, is_purge=True)


def _gone(context: StateContext, options: RemovedOptions, *, is_purge: bool) -> Outcome:
    try:
        every = wanted(options.name, options.version, options.pkgs)
        there = _there(context, options, every, is_purge=is_purge)
        if not there:
            return Outcome(True, _nothing_to_do(every, is_purge=is_purge))
        word = "purged" if is_purge else "removed"
        if context.is_test:
            names = ", ".join(sorted(there))
            changes = {name: {"new": word, "old": ""} for name in there}
            return Outcome(None, f"The following packages will be {word}: {names}.", changes)
        try:
            done = changing.remove(context.functions, there, is_purge=is_purge)
        except RemovalFailed as error:
            return Outcome(False, str(error), error.changes)
        left = _there(context, options, every, is_purge=is_purge)
    except (HostError, UsageError) as error:
        return failed(str(error))
    absent = sorted(each.name for each in every if _normal(context, options, each) not in there)
    parts: list[str] = []
    if left:
        parts.append(f"The following packages failed to {word[:-1]}: {', '.join(sorted(left))}.")
    if absent:
        parts.append(f"The following packages were not installed: {', '.join(absent)}")
        gone = sorted(set(there) - set(left))
        parts.append(f"The following packages were {word}: {', '.join(gone)}.")
    elif not left:
        parts.append(f"All targeted packages were {word}.")
    return Outcome(not left, " ".join(parts), done)


def _there(
    context: StateContext, options: RemovedOptions, every: list[Wanted], *, is_purge: bool
) -> list[str]:
    """Name those that are there, as far as they have the version that is asked for."""
    packages = context.host.packages
    known = {each.name: each for each in packages.known() if is_purge or not each.is_residual}
    found: list[str] = []
    for each in every:
        package = known.get(_normal(context, options, each))
        if package is None:
            continue
        if not each.version or conditions.is_met(
            package.version, each.version, packages.compare, ignore_epoch=options.ignore_epoch
        ):
            found.append(package.name)
    return found


def _normal(context: StateContext, options: RemovedOptions, wanted_: Wanted) -> str:
    if not options.normalize:
        return wanted_.name
    return context.host.packages.normal_name(wanted_.name)


def _nothing_to_do(every: list[Wanted], *, is_purge: bool) -> str:
    versions = " (matching specified versions)" if any(each.version for each in every) else ""
    if is_purge:
        return f"None of the targeted packages{versions} are installed or partially installed"
    return f"All specified packages{versions} are already absent"
