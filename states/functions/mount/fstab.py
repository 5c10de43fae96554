"""The table of file systems as text: read, changed line by line, written; pure.

A line that nothing changes stays as it is.
"""

import re
from dataclasses import dataclass
from typing import Any, Final, Literal

from limpet.common.errors import HostError
from limpet.states.data.lines import lines_of

SPECIAL: Final = frozenset(
    ("none", "tmpfs", "sysfs", "proc", "fusectl", "debugfs", "securityfs", "devtmpfs", "cgroup",
     "btrfs", "cephfs", "overlay", "ramfs")
)  # fmt: skip
"""Kinds of which many have the same device: their place alone says which line is meant."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line; `text` alone where it is no entry."""

    text: str
    device: str = ""
    place: str = ""
    kind: str = ""
    options: str = "defaults"
    dump: str = "0"
    check: str = "0"

    @classmethod
    def of(cls, text: str) -> "Line":
        """Read a line."""
        words = text.split()
        if not words or words[0].startswith("#") or len(words) < 4:
            return cls(text)
        dump, check = [*words[4:6], "0", "0"][:2]
        return cls(text, decoded(words[0]), decoded(words[1]), words[2], words[3], dump, check)

    @classmethod
    def made(
        cls, device: str, place: str, kind: str, options: str, dump: str, check: str
    ) -> "Line":
        """Write a line, in Salt's form."""
        text = f"{encoded(device)}\t\t{encoded(place)}\t{kind}\t{options}\t{dump} {check}"
        return cls(text, device, place, kind, options, dump, check)

    def is_same(self, other: "Line") -> bool:
        """Say whether both mean the same."""
        return (self.device, self.place, self.kind, self.options, self.dump, self.check) == (
            other.device, other.place, other.kind, other.options, other.dump, other.check,
        )  # fmt: skip


@dataclass(slots=True)
class Table:
    """All lines, in their order."""

    lines: list[Line]

    @classmethod
    def of(cls, text: str) -> "Table":
        """Read the file."""
        return cls([Line.of(line) for line in lines_of(text)])

    def text(self) -> str:
        """Give the whole file."""
        return "".join(f"{line.text}\n" for line in self.lines)

    def data(self) -> dict[str, Any]:
        """Give Salt's mapping, by place."""
        found: dict[str, Any] = {}
        for line in self.lines:
            if line.place:
                key = line.place
                while key in found:  # swap has no place of its own
                    key += "_"
                found[key] = {
                    "device": line.device,
                    "fstype": line.kind,
                    "opts": line.options.split(","),
                    "dump": line.dump,
                    "pass": line.check,
                }
        return found

    def find(self, wanted: Line, match_on: str | list[str] = "auto") -> Line | None:
        """Find the line that is meant: by `name` (the place), `device` or others of its fields.

        Raises `HostError` for a field that there is not: no line would ever fit it.
        """
        entries = [line for line in self.lines if line.place]
        if match_on == "auto":
            by_place = [each for each in entries if each.place == wanted.place]
            if wanted.kind in SPECIAL:
                return next(iter(by_place), None)
            by_device = [each for each in entries if each.device == wanted.device]
            both = [each for each in by_device if each.place == wanted.place]
            # Whatever stood at that place is replaced too: nobody wants two of them there.
            return next(iter([*both, *by_device, *by_place]), None)
        fields = {
            "name": "place", "device": "device", "fstype": "kind", "opts": "options",
            "dump": "dump", "pass_num": "check",
        }  # fmt: skip
        keys = [match_on] if isinstance(match_on, str) else match_on
        if not keys or (unknown := [str(key) for key in keys if key not in fields]):
            told = f'Unrecognized keys in match_on: "{", ".join(unknown)}"' if keys else ""
            raise HostError(f"{told or 'match_on is empty'}; there are {', '.join(fields)}")
        attributes = [fields[key] for key in keys]
        for each in entries:
            if all(getattr(each, a) == getattr(wanted, a) for a in attributes):
                return each
        return None

    def put(
        self, wanted: Line, match_on: str | list[str] = "auto"
    ) -> Literal["new", "change", "present"]:
        """Have the line stand there."""
        found = self.find(wanted, match_on)
        if found is None:
            self.lines.append(wanted)
            return "new"
        if found.is_same(wanted):
            return "present"
        self.lines[self.lines.index(found)] = wanted
        return "change"

    def remove(self, place: str, device: str | None) -> bool:
        """Take out the lines of a place, or of a place and a device."""
        kept = [
            line
            for line in self.lines
            if line.place != place or device not in (None, "", line.device) or not line.place
        ]
        is_changed = len(kept) != len(self.lines)
        self.lines = kept
        return is_changed


def decoded(word: str) -> str:
    r"""Give a word of the table as it is meant: `\040` is a blank."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found.group(1), 8)), word)


def encoded(text: str) -> str:
    """Write a word so that it is one."""
    return re.sub(r"[ \t\n\\]", lambda found: f"\\{ord(found.group()):03o}", text)
