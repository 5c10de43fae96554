"""Commands that say themselves whether they have changed something (`stateful`).

The last line of the output is `changed=yes comment='Something'`, or all of it is a JSON object.
"""

import dataclasses
import json
import shlex
from typing import Any

from limpet.states.context import Loose
from limpet.states.outcome import Outcome

_TRUE = ("true", "yes", "1")
_FALSE = ("false", "no", "0")
_NOT_UNDERSTOOD = "Failed parsing script output! Stdout must be JSON or a line of name=value pairs."


def takes_test(value: Loose) -> bool:
    """Say whether the command is run in test mode as well (`test_name`)."""
    return _test_name(value) is not None


def is_asked_for(value: Loose) -> bool:
    """Say whether the output is to be read; as in Salt a mapping, which is not in a list, is no."""
    return bool(value) and not isinstance(value, dict)


def command(value: Loose, name: str, *, is_test: bool) -> str:
    """Give the command to run; in test mode the one that `test_name` says."""
    found = _test_name(value)
    return str(found) if is_test and found is not None else name


def _test_name(value: Loose) -> Loose:
    for each in value if isinstance(value, list) else []:
        if isinstance(each, dict) and "test_name" in each:
            return each["test_name"]
    return None


def reinterpreted(outcome: Outcome) -> Outcome:
    """Give what the command itself says of its run."""
    answer = dict(outcome.changes)
    printed = str(answer.get("stdout") or "")
    if not printed:
        return dataclasses.replace(outcome, changes={}, comment=str(answer.get("stderr") or ""))
    found, before, is_json = _said(printed)
    if isinstance(found, str):
        changes = {} if is_json else answer
        return dataclasses.replace(outcome, result=False, comment=found, changes=changes)
    changed = str(found.get("changed", "no")).lower()
    if changed not in _TRUE and changed not in _FALSE:
        comment = f"the command says changed={found['changed']}, which is neither yes nor no"
        return dataclasses.replace(outcome, result=False, comment=comment, changes={})
    comment = str(found.pop("comment", ""))
    if changed in _FALSE:
        return dataclasses.replace(outcome, comment=comment, changes={})
    changes = {**answer, **found}
    changes["stdout"] = "" if is_json else before
    return dataclasses.replace(outcome, comment=comment, changes=changes)


def _said(printed: str) -> tuple[dict[str, Any] | str, str, bool]:
    """Give what was said (or what is wrong with it), the output before it, whether it is JSON."""
    try:
        found = json.loads(printed)
    except (ValueError, RecursionError):
        end = printed.rstrip().rfind("\n")
        # As in Salt: an output of one line is shown without its last sign.
        before, line = printed[:end], printed.rstrip()[end + 1 :]
        try:
            pairs = [word.split("=") for word in shlex.split(line)]
            if any(len(pair) != 2 for pair in pairs):
                return _NOT_UNDERSTOOD, before, False
        except ValueError:
            return _NOT_UNDERSTOOD, before, False
        return dict(pairs), before, False
    if not isinstance(found, dict):
        return "script JSON output must be a JSON object (e.g., {})!", "", True
    return found, "", True
