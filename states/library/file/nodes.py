"""`file.mknod`: pipes and device nodes."""

from typing import Any, Final, NamedTuple

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.library.context import StateContext
from limpet.states.library.file.owners import (
    Ownership,
    enforce,
    make_parents,
    normal_mode,
    unknown_owner,
)
from limpet.states.outcome import Outcome, failed


class _Kind(NamedTuple):
    """One kind of node: what it is called, and what the file system calls it."""

    name: str
    kind: str


_KINDS: Final = {
    "c": _Kind("Character device", "character"),
    "b": _Kind("Block device", "block"),
    "p": _Kind("Fifo pipe", "pipe"),
}


def mknod(
    context: StateContext,
    name: str,
    ntype: str,
    major: int = 0,
    minor: int = 0,
    user: Loose = None,
    group: Loose = None,
    mode: Loose = "0600",
) -> Outcome:
    """See to it that there is a pipe (`p`), block (`b`) or character (`c`) device of that name."""
    if not name:
        return failed("Must provide name to file.mknod")
    wanted = _KINDS.get(ntype)
    if wanted is None:
        return failed(
            f"Node type unavailable: '{ntype}'. Available node types are character ('c'), block "
            "('b'), and pipe ('p')"
        )
    if not name.startswith("/"):
        return failed(f"Specified file {name} is not an absolute path")
    if unknown := unknown_owner(context, user, group):
        return failed(unknown)
    owner = Ownership(user, group, normal_mode(mode))
    try:
        facts = context.file_system.facts(name)
        if facts is None:
            return _made(context, name, ntype, (major, minor), owner)
        if facts.kind != wanted.kind:
            return failed(
                f"File {name} exists and is not a {wanted.name.lower()}. Refusing to continue"
            )
        if ntype != "p" and facts.node != (major, minor):
            return failed(
                f"{wanted.name} {name} exists and has a different major/minor "
                f"{facts.node[0]}/{facts.node[1]}. Refusing to continue"
            )
        changes = enforce(context, name, owner, is_following=False)
    except HostError as error:
        return failed(str(error))
    if not changes:
        return Outcome(True, f"{wanted.name} {name} is in the correct state")
    return Outcome(None if context.is_test else True, "", changes)


def _made(
    context: StateContext, name: str, ntype: str, number: tuple[int, int], owner: Ownership
) -> Outcome:
    kind = _KINDS[ntype].name
    if context.is_test:
        return Outcome(None, f"{kind} {name} is set to be created", {"new": name})
    make_parents(context, name, Ownership())
    bits = owner.mode_bits
    context.file_system.make_node(name, ntype, 0o600 if bits is None else bits, *number)
    changes: dict[str, Any] = {"new": f"{kind} {name} created."}
    enforce(context, name, owner, is_following=False)
    return Outcome(True, "", changes)
