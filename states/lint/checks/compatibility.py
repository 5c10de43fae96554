"""What a tree uses of Salt that limpet does not have: `limpet lint --salt-compat`.

The text of all files is searched, not what they render to, so that branches for other hosts count
too. `function_table` gives the same for all of Salt's functions; the documentation is made of it.
"""

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from limpet.common.errors import SourceError
from limpet.states.fileroots.directories import DirectoryRoots
from limpet.states.functions import registry as functions
from limpet.states.library import registry as states
from limpet.states.lint.lint import TEMPLATE_ENDINGS
from limpet.states.lint.tree.finding import LintTree, root_of
from limpet.states.lint.tree.names import Known, extension_modules, known_in, salt_names
from limpet.states.sls.renderers import registry as renderers

Status = Literal["here", "not here", "an extension of Salt, not here", "nobody has it"]
Kind = Literal["state", "function", "renderer", "feature"]

_STATE: Final = re.compile(r"^\s*(?:-\s+)?(['\"]?)([a-z]\w*\.[a-z]\w*)\1\s*:?\s*(?:\[\s*\])?\s*$")
_SHORT: Final = re.compile(r"^\s*[^#\s][^#]*?:\s+(['\"]?)([a-z]\w*\.[a-z]\w*)\1\s*$")
_MODULE: Final = re.compile(r"^(\s+)([a-z]\w*)\s*:\s*$")
_MEMBER: Final = re.compile(r"^(\s*)-\s+([a-z]\w*)\s*$")
_ITEM: Final = re.compile(r"\bsalt\[\s*['\"](\w+\.\w+)['\"]\s*\]")
_ATTRIBUTE: Final = re.compile(r"\bsalt\.(\w+)\.(\w+)\s*\(")
_RUN: Final = re.compile(r"^\s*-\s+(['\"]?)(\w+\.\w+)\1\s*:")
_GPG: Final = "-----BEGIN PGP MESSAGE-----"
_HINTS: Final = {
    "mine.get": "gives {} for now",
    "salt": "orchestration: run it from the shell, with `limpet apply` and `limpet run`",
}
_LINES_AHEAD: Final = 40


@dataclass(frozen=True, slots=True)
class Use:
    """One use of something of Salt's."""

    file: str
    line: int
    kind: Kind
    name: str
    status: Status
    hint: str = ""


def uses_of(tree: LintTree) -> list[Use]:
    """Give all uses of state functions, execution functions, renderers and features of a tree."""
    found: list[Use] = []
    for roots_of in (tree.file_roots, tree.pillar_roots):
        roots = DirectoryRoots(roots_of)
        known = known_in(roots)
        for environment in roots.environments():
            own = roots.roots_of(environment)
            for path in roots.files(environment):
                if not path.endswith((".sls", *TEMPLATE_ENDINGS)):
                    continue
                if not tree.is_looked_at(path, root_of(path, own)):
                    continue
                try:
                    file = roots.read(path, environment)
                except SourceError:
                    continue
                if file is not None:
                    text = file.content.decode("utf-8", "replace")
                    found += _uses_in(text, file.real_path, known, path.endswith(".sls"))
    return sorted(found, key=lambda use: (use.file, use.line, use.name))


def _uses_in(text: str, file: str, known: Known, is_sls: bool) -> Iterator[Use]:
    lines = text.splitlines()
    if lines and lines[0].startswith("#!") and not lines[0].startswith("#!/"):
        for part in lines[0][2:].split("|"):
            name = (part.split() or [""])[0]
            if name not in renderers.NAMES and name not in renderers.OLD_NAMES:
                is_salts = name in salt_names().renderers
                yield Use(file, 1, "renderer", name, "not here" if is_salts else "nobody has it")
    for number, line in enumerate(lines, 1):
        if line.lstrip().startswith("#"):
            continue
        if _GPG in line:
            hint = "decrypt it before, or use external pillar that does"
            yield Use(file, number, "feature", "gpg", "not here", hint)
        names = _ITEM.findall(line)
        names += [f"{module}.{name}" for module, name in _ATTRIBUTE.findall(line)]
        for name in names:
            yield Use(
                file, number, "function", name, function_status(name, known), _HINTS.get(name, "")
            )
        if is_sls:
            for name in _states_in(lines, number, known):
                hint = _HINTS.get(name.partition(".")[0], "")
                yield Use(file, number, "state", name, state_status(name, known), hint)


def _states_in(lines: list[str], number: int, known: Known) -> Iterator[str]:
    """Give the state functions that a line declares."""
    line = lines[number - 1]
    found = _STATE.match(line) or _SHORT.match(line)
    if found is not None:
        name = found.group(2)
        if known.has_state(name):
            yield name
        return
    module = _MODULE.match(line)
    if module is None or not known.has_state_module(module.group(2)):
        return
    for ahead in lines[number : number + _LINES_AHEAD]:
        if ahead.strip() and len(ahead) - len(ahead.lstrip()) < len(module.group(1)):
            return
        member = _MEMBER.match(ahead)
        name = f"{module.group(2)}.{member.group(2)}" if member else ""
        if name and known.has_state(name):
            yield name
            return


def state_status(name: str, known: Known | None = None) -> Status:
    """Say who has a state function; one of the tree's own is as good as here."""
    custom = () if known is None else known.custom_states
    if states.find(name) is not None or name in custom:
        return "here"
    return _status_elsewhere(name, known, salt_names().states, extension_modules("states"))


def function_status(name: str, known: Known | None = None) -> Status:
    """Say who has an execution function."""
    custom = () if known is None else known.custom_functions
    if functions.find(name) is not None or name in custom:
        return "here"
    return _status_elsewhere(name, known, salt_names().functions, extension_modules("functions"))


def _status_elsewhere(
    name: str, known: Known | None, salts: Container[str], extensions: Container[str]
) -> Status:
    """Say who has a name that neither limpet nor the tree plainly has."""
    module = name.partition(".")[0]
    if known is not None and module in known.custom_opaque:
        return "here"
    if name in salts:
        return "not here"
    return "an extension of Salt, not here" if module in extensions else "nobody has it"


def function_table() -> dict[str, dict[str, Status]]:
    """Give the status of every function of Salt's and of limpet's: kind -> name -> status."""
    state_names = sorted({*salt_names().states, *states.names()})
    function_names = sorted({*salt_names().functions, *functions.names()})
    return {
        "states": {name: state_status(name) for name in state_names},
        "functions": {name: function_status(name) for name in function_names},
    }
