"""What dnf, yum and rpm print, as data. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

RPM_FORMAT: Final = (
    "%{NAME}\\t%{EPOCHNUM}\\t%{VERSION}\\t%{RELEASE}\\t%{ARCH}\\t[%{PROVIDENAME},]\\n"
)
"""What `rpm -qa` is to print for `installed`."""

_ARCHITECTURES: Final = frozenset(
    (
        "noarch", "x86_64", "i386", "i486", "i586", "i686", "aarch64", "armv7hl", "ppc64",
        "ppc64le", "s390x", "riscv64", "src",
    )
)  # fmt: skip
_GROUPS: Final = {
    "installed groups": "installed", "installed environment groups": "installed environments",
    "available groups": "available", "available environment groups": "available environments",
}  # fmt: skip

_HEADING: Final = re.compile(r"\s*(Mandatory|Default|Optional|Conditional) [Pp]ackages\s*:\s*(.*)$")


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of a list of packages."""

    name: str
    architecture: str
    version: str
    repository: str = ""
    provides: tuple[str, ...] = ()


def version_of(epoch: str, version: str, release: str) -> str:
    """Give one text; an epoch of 0 is left out."""
    begin = "" if epoch in ("", "0", "(none)") else f"{epoch}:"
    return f"{begin}{version}-{release}" if release else f"{begin}{version}"


def installed(printed: str) -> list[Listed]:
    """Read what rpm was asked to print in `RPM_FORMAT`; imported keys are no packages."""
    found: list[Listed] = []
    for line in printed.splitlines():
        fields = line.split("\t")
        if len(fields) != 6 or fields[0] == "gpg-pubkey":
            continue
        name, epoch, version, release, architecture, provides = fields
        names = tuple(sorted({each for each in provides.split(",") if each and each != name}))
        found.append(
            Listed(name, architecture, version_of(epoch, version, release), provides=names)
        )
    return found


def listed(printed: str) -> Iterator[Listed]:
    """Read `dnf list` and `dnf check-update`: three columns, which long names break into lines."""
    words: list[str] = []
    for line in printed.splitlines():
        lowered = line.strip().lower()
        if lowered.startswith("obsoleting"):
            return
        if not line[:1].isspace():
            words = []
        words += line.split()
        if len(words) != 3:
            if len(words) > 3:
                words = []
            continue
        name, dot, architecture = words[0].rpartition(".")
        if dot and architecture in _ARCHITECTURES and re.match(r"[0-9A-Za-z]", words[1]):
            yield Listed(name, architecture, words[1].removeprefix("0:"), words[2].lstrip("@"))
        words = []


def fields(printed: str) -> list[dict[str, str]]:
    """Read `dnf info` and `rpm -qi`: blocks of `Name : value` with continuations."""
    found: list[dict[str, str]] = []
    current: dict[str, str] = {}
    last = ""
    for line in printed.splitlines():
        match = re.match(r"([A-Za-z][A-Za-z -]*?) *: ?(.*)$", line)
        if match:
            last = match[1]
            if last == "Name":
                current = {}
                found.append(current)
            current[last] = match[2].strip()
        elif line.startswith(" ") and last:
            current[last] += f"\n{line.strip().removeprefix(': ')}"
        elif last == "Description":
            current[last] = f"{current[last]}\n{line}".lstrip("\n")
    return found


def groups(printed: str) -> dict[str, list[str]]:
    """Read `dnf group list`."""
    found: dict[str, list[str]] = {value: [] for value in _GROUPS.values()}
    section = ""
    for line in printed.splitlines():
        heading = line.strip().rstrip(":").lower()
        if heading in _GROUPS:
            section = _GROUPS[heading]
        elif section and line.startswith(" ") and line.strip():
            found[section].append(line.strip())
    return found


def group_packages(printed: str) -> dict[str, list[str]]:
    """Read `dnf group info NAME`."""
    found: dict[str, list[str]] = {"mandatory": [], "default": [], "optional": []}
    section = ""
    for line in printed.splitlines():
        heading = re.match(
            r"\s*(Mandatory|Default|Optional|Conditional) [Pp]ackages\s*:\s*(.*)$", line
        )
        if heading:
            section = heading[1].lower()
            if heading[2] and section in found:
                found[section].append(heading[2].strip())
            continue
        further = re.match(r"\s*:\s*(\S+)\s*$", line)  # dnf 5 puts a colon before each
        plain = re.match(r"\s+[+=-]?(\S+)\s*$", line)
        match = further or plain
        if match and section in found and not match[1].endswith(":"):
            found[section].append(match[1])
    return found
