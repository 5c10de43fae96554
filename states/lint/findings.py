"""What lint finds, and the rules by which it is found."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Severity = Literal["error", "warning"]

RULES: Final[dict[str, tuple[Severity, str]]] = {
    # files
    "encoding": ("error", "A file is not UTF-8, or holds binary data."),
    "byte-order-mark": ("warning", "A file begins with a byte order mark."),
    "line-ends": ("warning", "Lines end in CR LF and in LF in one file."),
    "unreadable": ("error", "A file can't be read: too large, no regular file, a link outside."),
    "link-loop": ("warning", "Symbolic links lead in a circle, or to nothing."),
    "unreachable-sls": ("warning", "The name of a file has a dot, so that no SLS name means it."),
    "shadowed-sls": ("warning", "`x.sls` hides `x/init.sls`."),
    # renderers and templates
    "unknown-renderer": ("error", "The first line names a renderer that there is not."),
    "jinja-syntax": ("error", "A template does not parse."),
    "unknown-filter": ("error", "A filter that there is not."),
    "unknown-test": ("error", "A test (`is …`) that there is not."),
    "undefined-variable": ("error", "A name that nothing defines."),
    "missing-template": ("error", "`import`, `include` or `extends` of a file that is not there."),
    "missing-import-name": ("error", "An imported template does not have that name."),
    "unknown-function": ("error", "A template calls an execution function that nobody has."),
    "unknown-grain": ("warning", "A grain whose name is nearly that of one that every host has."),
    "render": ("error", "A template fails when it is rendered."),
    "limit": ("error", "Rendering takes too much time or memory."),
    "python": ("error", "A `#!py` file is not Python, or has no `run()`."),
    # YAML
    "yaml-syntax": ("error", "The rendered text is not YAML."),
    "tab-indentation": ("error", "A tab indents a line of YAML."),
    "duplicate-key": ("error", "A key stands twice in one mapping."),
    "unquoted-braces": ("error", "`{{ … }}` that is not rendered is read as a mapping by YAML."),
    # declarations
    "sls-shape": ("error", "An SLS renders to something else than a mapping."),
    "id-shape": ("error", "An id is not a text."),
    "declaration-shape": ("error", "A declaration or a state is not of its form."),
    "no-function": ("error", "A state names no function."),
    "several-functions": ("error", "A state names more than one function."),
    "repeated-module": ("error", "An id has two states of one module."),
    "unknown-state": ("error", "A state module that nobody has."),
    "unknown-state-function": ("error", "A state function that its module does not have."),
    "unknown-argument": ("error", "An argument that the function does not take."),
    "missing-argument": ("error", "An argument without which the function does not run."),
    "argument-type": ("error", "The value of an argument is of a wrong kind."),
    "repeated-argument": ("warning", "An argument stands twice in one state."),
    "file-mode": ("error", "A file mode is no octal number, or not the one that was meant."),
    "cron-field": ("error", "A field of a cron entry is out of its range."),
    "order": ("error", "`order` is no number and neither `first` nor `last`."),
    "condition-shape": ("error", "`unless`, `onlyif`, `check_cmd` or `creates` of a wrong form."),
    "retry": ("error", "`retry` with keys or values that it does not know."),
    "module-run": ("warning", "`module.run` in a mix of its two ways of writing."),
    "missing-source": ("error", "A `salt://` file that is not in the tree."),
    "template-context": ("error", "A managed template uses names that its context does not have."),
    # requisites and their kin
    "unknown-requisite-kind": ("error", "A keyword that is nearly one of the requisites."),
    "requisite-shape": ("error", "A requisite is not a list of `module: id`."),
    "missing-requisite": ("error", "A requisite names a state that is nowhere."),
    "requisite-not-included": ("warning", "What a requisite names is in an SLS not included."),
    "self-requisite": ("error", "A state requires itself."),
    "requisite-cycle": ("error", "Requisites lead in a circle."),
    "watch-without-reaction": ("warning", "`watch` by a state that can't react: it is a require."),
    "duplicate-id": ("error", "An id stands in two SLS that meet."),
    "missing-include": ("error", "An `include` of an SLS that is not there."),
    "include-shape": ("error", "`include` is not a list of SLS."),
    "unknown-extend": ("error", "`extend` of an id that is nowhere."),
    "unknown-exclude": ("warning", "`exclude` of an id or SLS that is nowhere."),
    # top files and pillar
    "top-shape": ("error", "A top file is not of its form."),
    "top-missing-sls": ("error", "A top file names an SLS that is not there."),
    "top-target": ("error", "A target or matcher that nobody understands."),
    "unknown-environment": ("error", "An environment that is not configured."),
    "pillar-shape": ("error", "A pillar file renders to something else than a mapping."),
    "compile": ("error", "The tree does not compile, for a reason that no other rule names."),
}
"""Severity and meaning of each rule."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One mistake or oddity. Lines and columns begin at 1."""

    file: str
    line: int | None
    column: int | None
    rule: str
    severity: Severity
    message: str
    hint: str = ""


@dataclass(slots=True)
class Report:
    """Collects findings: each once, however many kinds of hosts show it."""

    profiles: int = 1
    """For how many kinds of hosts the tree is rendered."""
    is_strict: bool = False
    """Show too what only some kinds of hosts run into."""
    _certain: dict[tuple[object, ...], Finding] = field(default_factory=dict)
    _seen: dict[tuple[object, ...], tuple[Finding, set[int]]] = field(default_factory=dict)

    def add(
        self,
        rule: str,
        message: str,
        file: str,
        line: int | None = None,
        column: int | None = None,
        *,
        hint: str = "",
        severity: Severity | None = None,
        is_hint: bool = False,
    ) -> None:
        """Keep a finding that holds for every host; a hint is told only to those who are strict."""
        if is_hint and not self.is_strict:
            return
        finding = Finding(
            file, line, column if line else None, rule, severity or RULES[rule][0], message, hint
        )
        self._certain.setdefault((file, line, rule, message), finding)

    def add_for(
        self,
        profile: int,
        rule: str,
        message: str,
        file: str,
        line: int | None = None,
        column: int | None = None,
        hint: str = "",
    ) -> None:
        """Keep a finding that counts if all kinds of hosts show it (one that failed to render)."""
        finding = Finding(file, line, column if line else None, rule, RULES[rule][0], message, hint)
        _, seen = self._seen.setdefault((file, rule), (finding, set()))
        seen.add(profile)

    @property
    def has_errors(self) -> bool:
        """Say whether a certain error was found so far."""
        return any(each.severity == "error" for each in self._certain.values())

    def has_at(self, file: str, line: int | None) -> bool:
        """Say whether something certain was found at that line."""
        return any(each.file == file and each.line == line for each in self._certain.values())

    def findings(self) -> list[Finding]:
        """Give all findings, by file and line."""
        found = list(self._certain.values())
        for finding, seen in self._seen.values():
            if self.has_at(finding.file, finding.line):
                continue
            if len(seen) == self.profiles:
                found.append(finding)
            elif self.is_strict:
                found.append(
                    Finding(
                        finding.file,
                        finding.line,
                        finding.column,
                        finding.rule,
                        "warning",
                        f"{finding.message} (on {len(seen)} of {self.profiles} kinds of hosts)",
                        finding.hint,
                    )
                )
        return sorted(found, key=lambda each: (each.file, each.line or 0, each.column or 0))


def near(word: str, known: Iterable[str], cutoff: float = 0.7) -> str:
    """Give the known word that is most like this one, or nothing."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=cutoff)
    return found[0] if found else ""


def meant(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Give `did you mean 'x'?`, or nothing."""
    found = near(word, known, cutoff)
    return f"did you mean '{found}'?" if found else ""


def kind_of(value: Any) -> str:  # noqa: ANN401
    """Say of what kind a value is, in words of YAML."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a text"
    return "a mapping" if isinstance(value, dict) else "a list"
