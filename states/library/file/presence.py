"""Whether something is there: `file.absent`, `exists`, `missing`, `touch`."""

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.library.context import StateContext
from limpet.states.library.file.owners import Ownership, make_parents
from limpet.states.library.file.writing import kind_of
from limpet.states.outcome import Outcome, failed


def absent(context: StateContext, name: str, **_odd: Loose) -> Outcome:
    """See to it that nothing has that name; a directory goes with all that is in it."""
    if not name:
        return failed("Must provide name to file.absent")
    if not name.startswith("/"):
        return failed(f"Specified file {name} is not an absolute path")
    if name.rstrip("/") == "":
        return failed('Refusing to make "/" absent')
    facts = context.file_system.facts(name)
    if facts is None:
        return Outcome(True, f"File {name} is not present")
    what = "Directory" if facts.kind == "directory" else "File"
    if context.is_test:
        return Outcome(None, f"{what} {name} is set for removal", {"removed": name})
    try:
        context.file_system.remove(name)
    except HostError as error:
        return failed(str(error))
    return Outcome(True, f"Removed {what.lower()} {name}", {"removed": name})


def exists(context: StateContext, name: str, **_odd: Loose) -> Outcome:
    """Fail if nothing has that name."""
    if not name:
        return failed("Must provide name to file.exists")
    if kind_of(context, name) == "":
        return failed(f"Specified path {name} does not exist")
    return Outcome(True, f"Path {name} exists")


def missing(context: StateContext, name: str, **_odd: Loose) -> Outcome:
    """Fail if something has that name."""
    if not name:
        return failed("Must provide name to file.missing")
    if kind_of(context, name):
        return failed(f"Specified path {name} exists")
    return Outcome(True, f"Path {name} is missing")


def touch(
    context: StateContext,
    name: str,
    atime: float | None = None,
    mtime: float | None = None,
    makedirs: bool = False,
    **_odd: Loose,
) -> Outcome:
    """See to it that a file is there; its times become these, or now."""
    if not name:
        return failed("Must provide name to file.touch")
    if not name.startswith("/"):
        return failed(f"Specified file {name} is not an absolute path")
    facts = context.file_system.facts(name, is_following=True)
    what = "directory" if facts is not None and facts.kind == "directory" else "file"
    if context.is_test:
        if facts is None:
            return Outcome(None, f"File {name} is set to be created", {"new": name})
        asked = ((atime, facts.accessed_s), (mtime, facts.modified_s))
        if any(wanted is not None and int(wanted) != int(found) for wanted, found in asked):
            comment = f"Times set to be updated on {what} {name}"
            return Outcome(None, comment, {"touched": name})
        return Outcome(True, f"{what.capitalize()} {name} exists and has the correct times")
    try:
        if makedirs:
            make_parents(context, name, Ownership())
        if kind_of(context, name.rpartition("/")[0] or "/") != "directory":
            return failed(f"Directory not present to touch file {name}")
        if facts is None:
            context.file_system.place(name, b"", mode=None)
        if facts is not None or atime is not None or mtime is not None:
            context.file_system.set_times(name, atime, mtime)
    except HostError as error:
        return failed(str(error))
    if facts is None:
        return Outcome(True, f"Created empty file {name}", {"new": name})
    return Outcome(True, f"Updated times on {what} {name}", {"touched": name})
