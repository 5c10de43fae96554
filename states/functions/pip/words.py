"""What pip is to install, as the words that it is called with."""

from dataclasses import dataclass
from typing import Any

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext, Loose
from limpet.states.functions.pip import running, versions
from limpet.states.functions.pip.running import PipOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallOptions(PipOptions):
    """Arguments of `pip.install`."""

    pkgs: Loose = None
    requirements: Loose = None
    """A file of requirements: a path or `salt://…`; several as a list."""
    editable: Loose = None
    saltenv: str = "base"


def install_words(context: FunctionContext, options: InstallOptions) -> tuple[list[str], list[str]]:
    """Give what pip is to install as its words, and the files that were brought for that."""
    found: list[str] = []
    brought: list[str] = []
    for each in running.listed(options.requirements):
        path = str(each)
        if "://" in path:
            path = _brought(context, path, options)
            brought.append(path)
        found.append(f"--requirement={path}")
    for each in running.listed(options.editable):
        if str(each).startswith("-"):
            raise UsageError(f"{each!r} is no package to install editable")
        found.append(f"--editable={each}")
    texts = [versions.requirement(str(each)).text for each in _packages(options.pkgs)]
    if texts:
        found += ["--", *texts]
    if not found:
        raise UsageError("name packages, requirements or editable")
    return found, brought


def _packages(given: Loose) -> list[Any]:
    """Give the packages: a text is split where a comma begins another one."""
    if not isinstance(given, str):
        return running.listed(given)
    found: list[str] = []
    for part in given.split(","):
        if found and part.strip()[:1] in "<>=!~":
            found[-1] += f",{part.strip()}"
        elif part.strip():
            found.append(part.strip())
    return found


def _brought(context: FunctionContext, source: str, options: InstallOptions) -> str:
    place = context.call("cp.cache_file", source, saltenv=options.saltenv)
    if not place:
        raise HostError(f"Could not get requirements file {source}: there is no such file")
    content = context.host.file_system.read(str(place))
    directory = "/tmp" if options.user else str(context.places.state_directory)  # noqa: S108 — a new file, private to that account
    return context.host.files.place_script(
        content, directory=directory, suffix=".txt", user=options.user
    )
