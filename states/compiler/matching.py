"""Whether a target of a top file means this minion: Salt's matchers, pillar among them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from limpet.common.control.requests import TargetKind
from limpet.common.errors import UsageError
from limpet.common.identifiers import MinionId
from limpet.common.targeting.target import Target, compile_target
from limpet.common.targeting.terms import PILLAR

_KINDS: Final[dict[str, TargetKind]] = {
    "compound": "compound",
    "glob": "glob",
    "grain": "grain",
    "grain_pcre": "grain_pcre",
    "ipcidr": "ipcidr",
    "list": "list",
    "nodegroup": "nodegroup",
    "pcre": "pcre",
    "pillar": "pillar",
    "pillar_exact": "pillar",
    "pillar_pcre": "pillar_pcre",
}


class Matching:
    """The minion, and what has been asked about it. Not shared between threads."""

    def __init__(
        self,
        minion_id: str,
        grains: Mapping[str, Any],
        pillar: Mapping[str, Any],
        nodegroups: Mapping[str, str | Sequence[str]] | None = None,
    ) -> None:
        self._minion_id = MinionId(minion_id.lower())
        self._facts = {**grains, PILLAR: pillar}
        self._nodegroups = dict(nodegroups or {})
        self._targets: dict[tuple[str, str], Target] = {}
        self.faults: list[str] = []
        """Targets that could not be understood: they mean nobody, as in Salt, and are told."""

    def confirms(self, target: str, data: Sequence[Any]) -> bool:
        """Say whether an entry of a top file is for this minion; its data may name the matcher."""
        matcher = "compound"
        for each in data:
            if isinstance(each, Mapping) and "match" in each:
                matcher = str(each["match"])
        return self.matches(target, matcher)

    def matches(self, target: str, matcher: str = "compound") -> bool:
        """Say whether a target means this minion."""
        kind = _KINDS.get(matcher)
        if kind is None:
            self.faults.append(f"the matcher '{matcher}' of the target '{target}' is not known")
            return False
        key = (matcher, target)
        if key not in self._targets:
            try:
                self._targets[key] = compile_target(str(target), kind, self._nodegroups)
            except UsageError as error:
                self.faults.append(f"target '{target}': {error}")
                return False
        return self._targets[key].matches(self._minion_id, self._facts)
