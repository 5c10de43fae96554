"""What the tools of apt and dpkg print, as data. Pure."""

import re
from collections.abc import Iterator
from typing import Final, cast

from limpet.states.ports.packages import Offer, Package, Selection

LIST_FORMAT: Final = "\\t".join(
    f"${{{field}}}"
    for field in (
        "Package", "Architecture", "Version", "db:Status-Want", "db:Status-Status", "Provides",
    )
) + "\\n"  # fmt: skip
"""What `dpkg-query` is to print for `packages`."""

_INSTALLED: Final = frozenset(("installed", "triggers-pending", "triggers-awaited"))
_SELECTIONS: Final = frozenset(("install", "hold", "deinstall", "purge"))


def packages(printed: str, native: str) -> list[Package]:
    """Read the list of packages that was printed in `LIST_FORMAT`."""
    found: list[Package] = []
    for line in printed.splitlines():
        fields = line.split("\t")
        if len(fields) != 6:
            continue
        name, architecture, version, want, status, provides = fields
        if status == "not-installed":
            continue
        if architecture not in (native, "all", ""):
            name = f"{name}:{architecture}"
        found.append(
            Package(
                name=name,
                version=version,
                architecture=architecture,
                is_installed=status in _INSTALLED,
                is_residual=status == "config-files",
                selection=cast(Selection, want if want in _SELECTIONS else "install"),
                provides=tuple(each.split()[0] for each in provides.split(",") if each.strip()),
            )
        )
    return found


def offers(printed: str) -> dict[str, Offer]:
    """Read what `apt-cache policy NAME …` prints."""
    found: dict[str, Offer] = {}
    for block in re.split(r"(?m)^(?=\S)", printed):
        head, _, rest = block.partition("\n")
        if not head.endswith(":"):
            continue
        candidate = re.search(r"(?m)^  Candidate: (.+)$", rest)
        chosen = candidate[1] if candidate and candidate[1] != "(none)" else ""
        found[head[:-1]] = Offer(chosen, tuple(_offered_versions(rest)))
    return found


def _offered_versions(table: str) -> Iterator[str]:
    """Give the versions that some repository has: one that is only installed can't be fetched."""
    version, is_offered = "", False
    for line in table.splitlines():
        head = re.match(r"(?: \*\*\*|    ) (\S+) -?\d+(?: \(.*\))?$", line)
        if head:
            if version and is_offered:
                yield version
            version, is_offered = head[1], False
        elif re.match(r" {7,}-?\d+ ", line) and not line.endswith("/dpkg/status"):
            is_offered = True
    if version and is_offered:
        yield version


def providers(printed: str) -> list[str]:
    """Read the reverse provides of `apt-cache showpkg`."""
    _, _, rest = printed.partition("Reverse Provides:")
    names = [line.split()[0] for line in rest.splitlines() if line.strip()]
    return sorted(set(names))


def planned(printed: str) -> dict[str, str]:
    """Read what a simulated upgrade would install, by name with the new version."""
    found = re.findall(r"(?m)^Inst (\S+)(?: \[[^\]]*\])? \((\S+)", printed)
    return dict(found)


def removals(printed: str) -> list[str]:
    """Read what a simulated removal would remove."""
    return sorted(re.findall(r"(?m)^(?:Remv|Purg) (\S+)", printed))


def fetched(printed: str) -> dict[str, bool | None]:
    """Read what `apt-get update` says of each index, in the shape of Salt's `pkg.refresh_db`."""
    found: dict[str, bool | None] = {}
    for line in printed.splitlines():
        kind, _, rest = line.strip().partition(":")
        words = re.sub(r" \[.+?\]$", "", rest).split(" ", 1)
        if len(words) != 2 or kind not in ("Get", "Hit", "Ign", "Err"):
            continue
        found[words[1]] = {"Get": True, "Hit": None}.get(kind, False)
    return found


def stanzas(printed: str) -> list[dict[str, str]]:
    """Read paragraphs of `Field: value` lines with their continuations."""
    found: list[dict[str, str]] = []
    for block in re.split(r"\n\s*\n", printed):
        fields: dict[str, str] = {}
        name = ""
        for line in block.splitlines():
            if line[:1] in (" ", "\t") and name:
                fields[name] += f"\n{line}"
            elif ":" in line:
                name, _, value = line.partition(":")
                fields[name] = value.strip()
        if fields:
            found.append(fields)
    return found


def settings(printed: str) -> dict[str, str]:
    """Read the variables that `apt-config shell` prints."""
    found = re.findall(r"(?m)^(\w+)='(.*)'$", printed)
    return dict(found)
