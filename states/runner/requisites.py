"""Whether a state runs: its requisites held against what has happened so far. Pure."""

from collections.abc import Mapping, Sequence
from enum import Enum, auto
from typing import Any

from limpet.states.runner.plan import Need

Results = Mapping[str, Mapping[str, Any]]
"""Results by tag, in Salt's shape."""


class Verdict(Enum):
    """What becomes of a state."""

    RUN = auto()
    RUN_AND_WATCH = auto()
    """Run it; if that changes nothing, `mod_watch` is called."""
    RUN_WITHOUT_WATCH = auto()
    """What is watched changed, but says itself that nothing is to be triggered."""
    WAIT = auto()
    """Something that it needs has not run yet."""
    FAIL = auto()
    """Something that it requires has failed."""
    NOT_NEEDED_BY_PREREQ = auto()
    NOT_NEEDED_BY_ONFAIL = auto()
    NOT_NEEDED_BY_ONCHANGES = auto()
    SKIPPED_BY_ANOTHER = auto()


def judge(needs: Sequence[Need], results: Results, previews: Results) -> Verdict:
    """Give the verdict for a state that has these needs."""
    by_kind: dict[str, list[str]] = {}
    for kind, tag in needs:
        by_kind.setdefault(kind, []).append(tag)
    found: set[str] = set()
    for kind, tags in by_kind.items():
        looked_at = previews if kind.startswith("prereq") else results
        found |= _of_kind(kind, [looked_at.get(tag) for tag in tags])
    return _verdict(found)


def failures(needs: Sequence[Need], results: Results, previews: Results) -> list[str]:
    """Give the tags of what failed among the needs, each once."""
    found: dict[str, None] = {}
    for _, tag in needs:
        seen = previews.get(tag) or results.get(tag)
        if seen is not None and seen["result"] is False:
            found[tag] = None
    return list(found)


def _of_kind(kind: str, seen: Sequence[Mapping[str, Any] | None]) -> set[str]:
    """Judge all needs of one kind together."""
    base = kind.removesuffix("_any").removesuffix("_all")
    found = set().union(*(_of_one(base, each) for each in seen))
    if kind.endswith("_any") or kind == "onfail":
        if found & {"met", "changed"}:
            found -= {"failed"}
        if "changes" in found:
            found -= {"no changes", "failed"}
        if "met" in found:
            found -= {"not failed"}
    if kind.endswith("_all") and "not failed" in found:
        found -= {"met"}
    return found


def _of_one(base: str, seen: Mapping[str, Any] | None) -> set[str]:
    if seen is None:
        return {"unknown"}
    found = {"skip"} if seen.get("skip_req") else set()
    if base == "onfail":
        if seen["result"] is True:
            return found | {"not failed"}
    elif seen["result"] is False:
        # As in Salt: a failed state sets off nothing, and what waits for its changes hasn't failed.
        return found | ({"no changes"} if base == "onchanges" else {"failed"})
    if base == "onchanges":
        return found | ({"changes"} if seen["changes"] else {"no changes"})
    if base == "watch" and seen["changes"]:
        return found | {"changed"}
    if base == "prereq":
        return found | ({"would change"} if seen["result"] is None else {"would not change"})
    if seen.get("__state_ran__", True):
        found.add("met")
    return found


def _verdict(found: set[str]) -> Verdict:
    if "unknown" in found:
        return Verdict.WAIT
    if "failed" in found:
        return Verdict.FAIL
    if "skip" in found and found & {"changes", "would change"}:
        return Verdict.SKIPPED_BY_ANOTHER
    if "skip" in found and "changed" in found:
        return Verdict.RUN_WITHOUT_WATCH
    if "would not change" in found:
        return Verdict.RUN if "would change" in found else Verdict.NOT_NEEDED_BY_PREREQ
    if "not failed" in found and "changes" not in found:
        return Verdict.NOT_NEEDED_BY_ONFAIL
    if "no changes" in found and "changes" not in found:
        return Verdict.NOT_NEEDED_BY_ONCHANGES
    if "changed" in found:
        return Verdict.RUN_AND_WATCH
    if "not failed" in found:
        return Verdict.NOT_NEEDED_BY_ONFAIL
    return Verdict.RUN
