"""Which packages somebody names: `name`, `version`, `pkgs` and `sources` as one list. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from limpet.common.errors import UsageError
from limpet.states.context import Loose
from limpet.states.functions.pkg import conditions


@dataclass(frozen=True, slots=True)
class Wanted:
    """One package that somebody wants."""

    name: str
    version: str = ""
    """A version or conditions; empty: any."""
    source: str = ""
    """Where its file comes from, instead of the repositories."""

    @property
    def shown(self) -> str:
        """Name and version as one word."""
        return conditions.shown(self.name, self.version)


def wanted(
    name: Loose, version: Loose = None, pkgs: Loose = None, sources: Loose = None
) -> list[Wanted]:
    """Read what is wanted. Raises `UsageError` for what can't be read, or is named twice."""
    if pkgs is not None and sources is not None:
        raise UsageError('Only one of "pkgs" and "sources" is permitted.')
    if sources is not None:
        found = [Wanted(key, source=value) for key, value in _pairs(sources, "sources")]
        if missing := [each.name for each in found if not each.source]:
            raise UsageError(f"'sources' says of {', '.join(missing)} no path or address")
        return found
    if pkgs is not None:
        return [Wanted(key, value) for key, value in _pairs(pkgs, "pkgs")]
    if isinstance(name, list | Mapping):
        return [Wanted(key, value) for key, value in _pairs(name, "name")]
    names = [each.strip() for each in str(name).split(",") if each.strip()]
    return [Wanted(each, text_of(version)) for each in names]


def text_of(version: Loose) -> str:
    """Give a version as text: YAML reads `1.2` as a number."""
    if version is None:
        return ""
    if isinstance(version, bool | list | Mapping):
        raise UsageError(f"{version!r} is no version of a package; quote it if it is one")
    return str(version).strip()


def _pairs(given: Loose, argument: str) -> list[tuple[str, str]]:
    if isinstance(given, Mapping):
        entries: list[Loose] = [{key: value} for key, value in given.items()]
    elif isinstance(given, list | tuple):
        entries = list(given)
    elif isinstance(given, str):
        entries = [each.strip() for each in given.split(",") if each.strip()]
    else:
        raise UsageError(f"{argument!r} must be a list of packages, not {given!r:.80}")
    found: list[tuple[str, str]] = []
    for entry in entries:
        if isinstance(entry, Mapping):
            found += [(str(key), text_of(value)) for key, value in entry.items()]
        elif isinstance(entry, list | tuple) or entry is None:
            raise UsageError(f"{argument!r} has an entry that names no package: {entry!r:.80}")
        else:
            found.append((str(entry), ""))
    names = [name for name, _ in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(
            f"{argument!r} names {', '.join(twice)} more than once; different versions of one "
            "package need a state each"
        )
    return found
