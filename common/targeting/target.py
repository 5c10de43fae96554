"""A target: compiled once, then asked about each minion."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from limpet.common.control.requests import TargetKind
from limpet.common.errors import UsageError
from limpet.common.identifiers import MinionId
from limpet.common.targeting import matchers
from limpet.common.targeting.compound import Nodegroups, compile_compound, compile_nodegroup
from limpet.common.targeting.terms import Grains, Term

TARGET_BYTES_MAX: Final = 4096


@dataclass(frozen=True, slots=True)
class Target:
    """Which minions are meant. Made by `compile_target`."""

    text: str
    kind: TargetKind
    names: frozenset[str] | None
    """The only ids that can match, where the expression spells them out; None: any can."""
    term: Term = field(repr=False, compare=False)

    def matches(self, minion_id: MinionId, grains: Grains) -> bool:
        """Say whether this minion is meant. Never raises, whatever the grains hold.

        Its pillar, if there is any, stands under `terms.PILLAR`; terms that need one that is not
        there match nothing that they would decide.
        """
        return self.term.decide(minion_id, grains) is True

    def decide(self, minion_id: MinionId, grains: Grains) -> bool | None:
        """Say whether this minion is meant; None: only its pillar, which is missing, can tell."""
        return self.term.decide(minion_id, grains)


def compile_target(text: str, kind: TargetKind, nodegroups: Nodegroups | None = None) -> Target:
    """Compile a target expression of one of Salt's kinds.

    Raises `UsageError` that says what is wrong with it: empty, over 4 KiB, nested deeper than
    32, not of its grammar, a node group that is unknown or contains itself, a regular
    expression that cannot be matched in bounded time.
    """
    groups = {} if nodegroups is None else nodegroups
    stripped = text.strip()
    if not stripped:
        raise UsageError("the target is empty; '*' means all minions")
    if len(text.encode("utf-8", "surrogatepass")) > TARGET_BYTES_MAX:
        raise UsageError(
            f"the target is longer than {TARGET_BYTES_MAX} bytes; define a node group in the "
            "master's configuration and use -N"
        )
    if "\0" in stripped:
        raise UsageError("the target contains a null character")
    named: frozenset[str] | None = None
    if kind == "list":
        named = matchers.names(stripped)
    elif kind == "glob" and not matchers.is_pattern(stripped):
        named = frozenset((stripped.lower(),))
    if kind == "compound":
        term = compile_compound(stripped, groups)
    elif kind == "nodegroup":
        term = compile_nodegroup(stripped, groups)
    else:
        term = _SIMPLE[kind](stripped)
    return Target(text, kind, named, term)


_SIMPLE: Final[dict[str, Callable[[str], Term]]] = {
    "glob": matchers.glob,
    "list": matchers.listed,
    "pcre": matchers.pcre,
    "grain": matchers.grain,
    "grain_pcre": matchers.grain_pcre,
    "ipcidr": matchers.ipcidr,
    "pillar": matchers.pillar,
    "pillar_pcre": matchers.pillar_pcre,
}
