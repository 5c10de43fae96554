"""The table of hosts as text: read, changed line by line, written; pure.

A line that nothing changes stays as it is, with its blanks and comments.
"""

from dataclasses import dataclass
from typing import Any

from limpet.states.data.lines import lines_of


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: an address, its names, a comment; or only a text."""

    text: str
    address: str = ""
    names: tuple[str, ...] = ()
    comment: str = ""

    @classmethod
    def of(cls, line: str) -> "Entry":
        """Read a line."""
        before, _, comment = line.partition("#")
        words = before.split()
        if len(words) < 2:
            return cls(line)
        return cls(line, words[0], tuple(words[1:]), comment.strip())

    @classmethod
    def made(cls, address: str, names: tuple[str, ...], comment: str) -> "Entry":
        """Write a line, in Salt's form."""
        told = f"\t\t# {comment}" if comment else ""
        return cls(f"{address}\t\t{' '.join(names)}{told}", address, names, comment)


class Table:
    """All lines, in their order."""

    def __init__(self, text: str) -> None:
        self.entries = [Entry.of(line) for line in lines_of(text)]

    def text(self) -> str:
        """Give the whole file."""
        return "".join(f"{each.text}\n" for each in self.entries)

    def data(self) -> dict[str, Any]:
        """Give Salt's mapping: by address, comments apart."""
        found: dict[str, Any] = {}
        comments = 0
        for each in self.entries:
            if each.address:
                known = found.setdefault(each.address, {"aliases": []})
                known["aliases"] += [name for name in each.names if name not in known["aliases"]]
                if each.comment:
                    known["comment"] = each.comment
            elif each.text.strip().startswith("#"):
                found[f"comment-{comments}"] = [each.text]
                comments += 1
        return found

    def names(self, address: str) -> list[str]:
        """Give the names of an address."""
        return [name for each in self.entries if each.address == address for name in each.names]

    def addresses(self, name: str) -> list[str]:
        """Give the addresses of a name."""
        found = [each.address for each in self.entries if name in each.names]
        return list(dict.fromkeys(found))

    def comment(self, address: str) -> str | None:
        """Give the comment of an address; None: there is no such line."""
        found = [each.comment for each in self.entries if each.address == address]
        return next((each for each in found if each), "") if found else None

    def add(self, address: str, name: str) -> None:
        """Add a name to an address, after those that it has."""
        for index, each in enumerate(self.entries):
            if each.address == address:
                self.entries[index] = Entry.made(address, (*each.names, name), each.comment)
                return
        self.entries.append(Entry.made(address, (name,), ""))

    def set(self, address: str, names: tuple[str, ...]) -> None:
        """Give an address exactly these names, on one line; none take it out."""
        comment = self.comment(address) or ""
        kept: list[Entry] = []
        is_there = False
        for each in self.entries:
            if each.address != address:
                kept.append(each)
            elif names and not is_there:
                kept.append(Entry.made(address, names, comment))
                is_there = True
        if names and not is_there:
            kept.append(Entry.made(address, names, comment))
        self.entries = kept

    def remove(self, address: str, name: str) -> None:
        """Take a name from an address."""
        kept: list[Entry] = []
        for each in self.entries:
            if each.address != address or name not in each.names:
                kept.append(each)
                continue
            names = tuple(other for other in each.names if other != name)
            if names:
                kept.append(Entry.made(address, names, each.comment))
        self.entries = kept

    def set_comment(self, address: str, comment: str) -> None:
        """Set the comment of an address."""
        for index, each in enumerate(self.entries):
            if each.address == address:
                self.entries[index] = Entry.made(address, each.names, comment)
                return
