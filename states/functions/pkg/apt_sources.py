"""The files in which apt's repositories are written down, as data, in both of their formats. Pure.

A `.list` has one line for each repository: `deb [signed-by=…] URI SUITE COMPONENT…`; one that is
switched off begins with `#`. A `.sources` has paragraphs (deb822), each for several types, URIs
and suites. What is no repository is kept as it stands.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from limpet.common.errors import UsageError
from limpet.states.data.lines import lines_of

_LINE: Final = re.compile(
    r"(?P<off>#[#\s]*)?(?P<type>deb|deb-src)\s+(?:\[(?P<options>[^\]]*)\]\s*)?"
    r"(?P<uri>(?:\[[^\]]*\]|[^\s\[#])\S*)\s+(?P<suite>[^\s#]\S*)(?P<rest>[^#]*)(?:#(?P<comment>.*))?\Z"
)
_FIELD: Final = re.compile(r"([A-Za-z][A-Za-z0-9-]*)\s*:\s*(.*)\Z")


@dataclass(frozen=True, slots=True)
class Repository:
    """One type, URI and suite, with its components and options."""

    type: str
    uri: str
    suite: str
    components: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    """In the order in which they stand; the keys as in one-line files (`signed-by`, `arch`)."""
    is_enabled: bool = True
    comment: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes it this repository and no other."""
        return self.type, self.uri.rstrip("/"), self.suite

    def option(self, name: str) -> str:
        """Give an option's value; empty: it has none."""
        return dict(self.options).get(name, "")

    def with_option(self, name: str, value: str) -> "Repository":
        """Give it with that option set, where it stood or at the end."""
        if any(key == name for key, _ in self.options):
            pairs = tuple((key, value if key == name else old) for key, old in self.options)
        else:
            pairs = (*self.options, (name, value))
        return replace(self, options=pairs)

    @property
    def architectures(self) -> list[str]:
        """The architectures that it is limited to."""
        return [each for each in self.option("arch").split(",") if each]

    @property
    def line(self) -> str:
        """The repository as a line, without what switches it off."""
        options = " ".join(f"{key}={value}" for key, value in self.options)
        words = [self.type, f"[{options}]" if options else "", self.uri, self.suite]
        return " ".join([*filter(None, words), *self.components])

    @property
    def whole_line(self) -> str:
        """The line as it stands in a file."""
        comment = f" #{self.comment}" if self.comment else ""
        return f"{'' if self.is_enabled else '# '}{self.line}{comment}"


def parse_line(line: str) -> Repository | None:
    """Read a line of a `.list`; None: it is no repository."""
    match = _LINE.match(line.strip())
    if match is None:
        return None
    pairs: list[tuple[str, str]] = []
    for word in (match["options"] or "").split():
        key, equals, value = word.partition("=")
        if not equals:
            return None
        pairs.append((key, value))
    return Repository(
        match["type"],
        match["uri"],
        match["suite"],
        tuple(match["rest"].split()),
        tuple(pairs),
        is_enabled=match["off"] is None,
        comment=(match["comment"] or "").strip(),
    )


def repository_of(line: str) -> Repository:
    """Read the line that names a repository. Raises `UsageError`."""
    found = parse_line(line)
    if found is None or "\n" in line:
        raise UsageError(
            f"Name {line} is not valid. This must be the complete repo entry as seen in the "
            "sources file"
        )
    return found


@dataclass(slots=True)
class SourcesFile:
    """One file of repositories. `text` gives it as it is after the changes."""

    path: str
    before: str = ""
    _pieces: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._pieces = (
            _paragraphs(self.before)
            if self.is_paragraphs
            else [parse_line(line) or line for line in lines_of(self.before)]
        )

    @property
    def is_paragraphs(self) -> bool:
        """Its format is that of paragraphs."""
        return self.path.endswith(".sources")

    @property
    def text(self) -> str:
        """The file as it is to be."""
        if self.is_paragraphs:
            return "\n".join(f"{each.text}\n" for each in self._pieces)
        lines = [each.whole_line if isinstance(each, Repository) else each for each in self._pieces]
        return "".join(f"{line}\n" for line in lines)

    @property
    def is_changed(self) -> bool:
        """The repositories are others than before."""
        return (
            list(SourcesFile(self.path, self.before).repositories()) != list(self.repositories())
            or self._has_other_comments()
        )

    def _has_other_comments(self) -> bool:
        return not self.is_paragraphs and not self.text.strip() and bool(self.before.strip())

    @property
    def is_empty(self) -> bool:
        """Nothing stands in it any more."""
        return not self.text.strip()

    def repositories(self) -> Iterator[Repository]:
        """Give its repositories in their order, each type, URI and suite by itself."""
        for each in self._pieces:
            if isinstance(each, Repository):
                yield each
            elif isinstance(each, _Paragraph):
                yield from each.repositories()

    def put(self, repository: Repository) -> None:
        """Change the repository of that key, or add it at the end."""
        if self.is_paragraphs:
            self._put_paragraph(repository)
            return
        for index, each in enumerate(self._pieces):
            if isinstance(each, Repository) and each.key == repository.key:
                kept = replace(repository, comment=repository.comment or each.comment)
                self._pieces[index] = kept
                self._pieces[index + 1 :] = [
                    other
                    for other in self._pieces[index + 1 :]
                    if not (isinstance(other, Repository) and other.key == repository.key)
                ]
                return
        self._pieces.append(repository)

    def _put_paragraph(self, repository: Repository) -> None:
        for index, each in enumerate(self._pieces):
            own = list(each.repositories())
            if not any(inner.key == repository.key for inner in own):
                continue
            if len(own) > 1 and repository not in own:  # the paragraph is about others as well
                rest = each.without(repository.key)
                self._pieces[index : index + 1] = [*rest, _Paragraph.of(repository)]
            else:
                each.change(repository)
            return
        self._pieces.append(_Paragraph.of(repository))

    def drop(self, key: tuple[str, str, str]) -> bool:
        """Remove the repository of that key; False: there is none."""
        kept: list[Any] = []
        is_found = False
        for each in self._pieces:
            if isinstance(each, Repository) and each.key == key:
                is_found = True
            elif isinstance(each, _Paragraph) and any(
                inner.key == key for inner in each.repositories()
            ):
                is_found = True
                kept += each.without(key)
            else:
                kept.append(each)
        self._pieces = kept
        return is_found

    def clear(self) -> None:
        """Remove everything."""
        self._pieces = []


_NAMES: Final = {
    "Signed-By": "signed-by", "Architectures": "arch", "Languages": "lang", "Targets": "target",
    "Trusted": "trusted", "PDiffs": "pdiffs", "By-Hash": "by-hash", "Allow-Insecure":
    "allow-insecure", "Allow-Weak": "allow-weak", "Allow-Downgrade-To-Insecure":
    "allow-downgrade-to-insecure", "Check-Valid-Until": "check-valid-until",
    "Valid-Until-Min": "valid-until-min", "Valid-Until-Max": "valid-until-max",
    "Check-Date": "check-date", "Snapshot": "snapshot",
}  # fmt: skip
_FIELDS: Final = {value: key for key, value in _NAMES.items()}
_LISTS: Final = frozenset(("arch", "lang", "target"))


@dataclass(slots=True)
class _Paragraph:
    """One paragraph of a `.sources`: its fields in order, comments under an empty name."""

    fields: list[tuple[str, str]]

    @classmethod
    def of(cls, repository: Repository) -> "_Paragraph":
        """Make one of a repository."""
        found = cls([])
        found.set("Types", repository.type)
        found.set("URIs", repository.uri)
        found.set("Suites", repository.suite)
        found.change(repository)
        return found

    @property
    def text(self) -> str:
        """The paragraph's lines."""
        return "\n".join(f"{name}: {value}" if name else value for name, value in self.fields)

    def get(self, name: str) -> str:
        """Give a field's value; empty: it has none."""
        return next((value for key, value in self.fields if key.lower() == name.lower()), "")

    def set(self, name: str, value: str) -> None:
        """Set a field where it stands, or at the end; an empty value removes it."""
        for index, (key, _) in enumerate(self.fields):
            if key.lower() == name.lower():
                if value:
                    self.fields[index] = (key, value)
                else:
                    del self.fields[index]
                return
        if value:
            self.fields.append((name, value))

    def repositories(self) -> Iterator[Repository]:
        """Give each suite, type and URI by itself, in the order in which Salt names them."""
        options: list[tuple[str, str]] = []
        for name, value in self.fields:
            if (option := _NAMES.get(name.title() if name.islower() else name)) and value:
                joined = ",".join(value.split()) if option in _LISTS else value
                options.append((option, joined))
        is_enabled = self.get("Enabled").lower() not in ("no", "false", "0", "off", "without")
        for uri in self.get("URIs").split():
            for suite in self.get("Suites").split():
                for type_ in self.get("Types").split():
                    yield Repository(
                        type_,
                        uri,
                        suite,
                        tuple(self.get("Components").split()),
                        tuple(options),
                        is_enabled=is_enabled,
                    )

    def change(self, repository: Repository) -> None:
        """Take over components, options and whether it is enabled."""
        self.set("Components", " ".join(repository.components))
        wanted = dict(repository.options)
        for option, name in _FIELDS.items():
            value = wanted.get(option, "")
            shown = value.replace(",", " ") if option in _LISTS else value
            if shown.split() != self.get(name).split():
                self.set(name, shown)
        if repository.is_enabled:
            if self.get("Enabled"):
                self.set("Enabled", "yes")
        else:
            self.set("Enabled", "no")

    def without(self, key: tuple[str, str, str]) -> list["_Paragraph"]:
        """Give what is left without one repository: none, this, or one for each that is left."""
        left = [each for each in self.repositories() if each.key != key]
        if not left:
            return []
        axes: Sequence[tuple[str, str, set[str]]] = (
            ("Suites", key[2], {each.suite for each in left}),
            ("Types", key[0], {each.type for each in left}),
            ("URIs", key[1], {each.uri.rstrip("/") for each in left}),
        )
        for name, gone, others in axes:
            if gone not in others:
                kept = [each for each in self.get(name).split() if each.rstrip("/") != gone]
                self.set(name, " ".join(kept))
                return [self]
        found: list[_Paragraph] = []
        for each in left:
            copy = _Paragraph(list(self.fields))
            for name, value in (("Types", each.type), ("URIs", each.uri), ("Suites", each.suite)):
                copy.set(name, value)
            found.append(copy)
        return found


def _paragraphs(text: str) -> list[_Paragraph]:
    found: list[_Paragraph] = []
    fields: list[tuple[str, str]] = []
    for line in [*lines_of(text), ""]:
        match = _FIELD.match(line)
        if not line.strip():
            if fields:
                found.append(_Paragraph(fields))
            fields = []
        elif line.startswith("#"):
            fields.append(("", line))
        elif match:
            fields.append((match[1], match[2]))
        elif fields:  # a continuation: the key itself may stand below Signed-By
            name, value = fields[-1]
            fields[-1] = (name, f"{value}\n{line}")
    return found
