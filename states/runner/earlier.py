"""What an earlier run that was cut off has done, seen by the run that goes on from it. Pure.

What ended well is not run again: its recorded result stands, for its requisites too. What was not
run because nothing asked for it is judged anew. What was running when the run was cut off may have
changed something without anybody knowing: where it now finds nothing to do it counts as changed,
so that what watches it is set off. Too often is better than never.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from limpet.states.library.context import Chunk
from limpet.states.runner.journal import Recorded, Result, clean

MARK: Final = "__done_before__"
"""The key of a result, with the run in which the state was run."""

_ONLY_IN_MEMORY: Final = frozenset((("file", "accumulated"), ("environ", "setenv")))
"""States whose work is gone with the process: they are run again."""
_DOUBT: Final = (
    "it was running when an earlier run was cut off, or failed then, and may have changed something"
)


def _same(tag: str) -> str:
    return tag


@dataclass(frozen=True, slots=True)
class Earlier:
    """Results of before, by the tags that stand in the journal. The empty one: nothing was done."""

    jid: str = ""
    results: Mapping[str, Result] = field(default_factory=dict)
    is_test: bool = False
    """That run only said what would change."""
    doubtful: frozenset[str] = frozenset()
    planned: frozenset[str] = frozenset()
    """All that was to be run then, but for what listened."""
    recorded: Recorded | None = None
    """The journal that all this is from."""
    masked: Callable[[str], str] = _same
    """Gives a tag as the journal has it, without secrets."""

    def result(self, tag: str, chunk: Chunk) -> Result | None:
        """Give the result of a state that need not be run again, with the mark; else None."""
        if not self.results:
            return None
        found = self.results.get(clean(self.masked(tag)))
        if found is None or not self._is_kept(found) or _is_in_memory(chunk):
            return None
        return {MARK: self.jid, **found}

    def doubted(self, tag: str, result: dict[str, Any]) -> dict[str, Any]:
        """Let a state that found nothing to do, though it may have done it before, count as it."""
        if not self.doubtful or clean(self.masked(tag)) not in self.doubtful:
            return result
        if result["result"] is not True or result["changes"]:
            return result
        return {**result, "changes": {"interrupted": _DOUBT}}

    def _is_kept(self, result: Result) -> bool:
        """Say whether a state was really run, and ended well."""
        if not result.get("__state_ran__", True):
            return False
        # Outside of test mode None stands for what a failed prerequisite has kept from running.
        return result["result"] is True or (self.is_test and result["result"] is None)


def _is_in_memory(chunk: Chunk) -> bool:
    return (chunk["state"], chunk.get("sfun", chunk["fun"])) in _ONLY_IN_MEMORY
