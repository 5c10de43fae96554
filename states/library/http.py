"""The `http` states: a web server answers as it should."""

import re
from typing import Any

from limpet.states.context import Loose
from limpet.states.functions.http import QueryOptions
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed

_KNOWN = {each for each in QueryOptions.__dataclass_fields__ if each not in ("url", "status")}


def query(
    context: StateContext,
    name: str,
    match: Loose = None,
    match_type: str = "string",
    status: Loose = None,
    status_type: str = "string",
    wait_for: float | None = None,
    **more: Loose,
) -> Outcome:
    """See to it that a page has this status, or this text in it."""
    if match is None and status is None:
        return failed(" Either match text (match) or a status code (status) is required.")
    asked = {key: value for key, value in more.items() if key in _KNOWN}
    if context.is_test and not more.get("test"):
        return Outcome(None, f"{name} would have been queried")
    if wait_for is not None:
        return _waited(context, name, match, match_type, status, status_type, wait_for, asked)
    return _judged(context, name, match, match_type, status, status_type, asked)


def wait_for_successful_query(
    context: StateContext,
    name: str,
    wait_for: float = 300,
    match: Loose = None,
    match_type: str = "string",
    status: Loose = None,
    status_type: str = "string",
    **more: Loose,
) -> Outcome:
    """Wait until a page has this status, or this text in it."""
    return query(context, name, match, match_type, status, status_type, wait_for, **more)


def _waited(
    context: StateContext,
    name: str,
    match: Loose,
    match_type: str,
    status: Loose,
    status_type: str,
    wait_for: float,
    asked: dict[str, Any],
) -> Outcome:
    system = context.host.system
    end_s = system.now() + wait_for
    while True:
        outcome = _judged(context, name, match, match_type, status, status_type, asked)
        if outcome.result or system.now() >= end_s:
            return outcome
        system.sleep(max(0.1, min(1.0, end_s - system.now())))


def _judged(
    context: StateContext,
    name: str,
    match: Loose,
    match_type: str,
    status: Loose,
    status_type: str,
    asked: dict[str, Any],
) -> Outcome:
    answer = context.call("http.query", name, status=True, **asked)
    comments, results = [], []
    if match is not None:
        is_pattern = match_type == "pcre"
        text = str(answer.get("body", ""))
        found = bool(re.search(str(match), text)) if is_pattern else str(match) in text
        kind = "pattern" if is_pattern else "text"
        comments.append(f'Match {kind} "{match}" was {"" if found else "not "}found.')
        results.append(found)
    if status is not None:
        is_right, comment = _status(str(answer.get("status", "")), status, status_type)
        comments.append(comment)
        results.append(is_right)
    return Outcome(all(results), " ".join(comments), more={"data": answer})


def _status(got: str, status: Loose, status_type: str) -> tuple[bool, str]:
    if status_type == "list" or isinstance(status, list):
        wanted = [str(each) for each in (status if isinstance(status, list) else [status])]
        if got in wanted:
            return True, f"Status {got} was found."
        return False, f"Statuses {wanted} were not found."
    if status_type == "pcre":
        is_right = re.search(str(status), got) is not None
        return is_right, f'Status pattern "{status}" was {"" if is_right else "not "}found.'
    is_right = got == str(status)
    return is_right, f"Status {status} was {'' if is_right else 'not '}found."
