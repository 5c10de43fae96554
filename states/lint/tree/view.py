"""One file as it rendered for one kind of host, with places in its source."""

from dataclasses import dataclass, field
from typing import Any

from limpet.states.lint.findings import Report, Severity
from limpet.states.lint.rendering import Rendered
from limpet.states.lint.unknown import is_unknown
from limpet.states.sls.yaml_source import Path


@dataclass(frozen=True, slots=True)
class Written:
    """A requisite as it is written at a state."""

    kind: str
    module: str
    """What stands before the colon; `id` where there is only a text."""
    target: str
    path: Path
    """Where it stands in the document."""
    owner: str
    """The id of the state."""
    owner_module: str
    names: tuple[str, ...]
    """The names that the state has, its id among them."""


@dataclass(frozen=True, slots=True)
class TemplateUse:
    """A state that renders a file of the tree as a template."""

    source: str
    """The path inside the roots."""
    environment: str
    names: frozenset[str] | None
    """What its context and its defaults define; None: not known."""


@dataclass(slots=True)
class View:
    """The file and what was found in it on the way."""

    file: str
    """For messages."""
    path: str
    """Inside the roots."""
    sls: str
    environment: str
    text: str
    rendered: Rendered
    report: Report
    is_primary: bool = True
    """Rendered for one of the hosts that every tree is made for; for others, how states meet is
    told only to those who are strict."""
    requisites: list[Written] = field(default_factory=list)
    uses: list[TemplateUse] = field(default_factory=list)
    bad_ids: set[str] = field(default_factory=set)
    """Declarations of a wrong form, which the compiler is not given."""

    @property
    def data(self) -> Any:  # noqa: ANN401
        """The data of the file."""
        return self.rendered.document.data

    def place(self, path: Path, *, is_value: bool = False) -> tuple[int | None, int | None]:
        """Give line and column in the source of what stands at a path of the document."""
        found = self.rendered.document.at(path, is_value=is_value)
        if found is None:
            return (1, None) if not path else (None, None)
        place = self.rendered.lines.place(*found)
        return place.line, place.column

    def written_at(self, path: Path) -> str:
        """Give the line of the source in which something stands."""
        line, _ = self.place(path)
        lines = self.text.splitlines()
        return lines[line - 1] if line and line <= len(lines) else ""

    def goes_on_in_jinja(self, path: Path) -> bool:
        """Say whether the line after a key begins with a tag: other hosts may have more there."""
        line, _ = self.place(path)
        for each in self.text.splitlines()[line or 0 :]:
            if each.strip() and not each.lstrip().startswith("#"):
                return each.lstrip().startswith(("{%", "{{", "{#"))
        return False

    def tell(
        self,
        rule: str,
        message: str,
        path: Path,
        *,
        hint: str = "",
        is_value: bool = False,
        severity: Severity | None = None,
        is_hint: bool = False,
    ) -> None:
        """Report something that is wrong at a path of the document; not of what is unknown."""
        if is_unknown(message):
            return
        line, column = self.place(path, is_value=is_value)
        self.report.add(
            rule, message, self.file, line, column, hint=hint, severity=severity, is_hint=is_hint
        )

    def tell_repeated(self) -> None:
        """Report the keys that stand twice in one mapping of the file."""
        for each in self.rendered.document.repeated:
            place = self.rendered.lines.place(*each.place)
            message = f"the key '{each.key}' stands twice"
            self.report.add("duplicate-key", message, self.file, place.line, place.column)
