"""The `debconf` states: answers to the questions that Debian packages ask."""

from collections.abc import Mapping
from typing import Any

from limpet.common.errors import HostError, SourceError, UsageError
from limpet.states.context import Loose
from limpet.states.functions.debconf import database
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed


def set_(context: StateContext, name: str, data: Loose = None, **_odd: Loose) -> Outcome:
    """See to it that questions of a package are answered so; `data` has `type` and `value`."""
    chosen: list[tuple[str, str, str, str]] = []
    if not isinstance(data, Mapping):
        return failed("'data' must map questions to their type and value")
    for question, answer in data.items():
        answer = _merged(answer)
        if missing := [each for each in ("type", "value") if each not in answer]:
            return failed(f"{question}: {' and '.join(missing)} not given")
        value = database.plain(answer["value"])
        chosen.append((name, str(question), str(answer["type"]), value))
    return _answered(context, chosen)


def set_file(
    context: StateContext,
    name: str,
    source: str,
    template: str | None = None,
    context_: Loose = None,
    defaults: Loose = None,
    **more: Loose,
) -> Outcome:
    """See to it that questions are answered as a file says (`package question type value`)."""
    try:
        content = context.tree.read(source, context.saltenv)
        if content is None:
            return failed(f"Unable to set debconf selections from file: there is no {source}")
        text = content.decode("utf-8", "replace")
        if template:
            given = more.get("context") or context_ or {}
            variables = {**_merged(defaults), **_merged(given)}
            text = context.tree.render(
                text, template, variables, saltenv=context.saltenv, source=source
            )
        chosen = database.selections(text, source)
    except (HostError, UsageError, SourceError) as error:
        return failed(str(error))
    outcome = _answered(context, chosen)
    if outcome.result is not True or not outcome.changes:
        return outcome
    return Outcome(True, "Debconf selections were set.", outcome.changes)


def _answered(context: StateContext, chosen: list[tuple[str, str, str, str]]) -> Outcome:
    """Compare and answer; what is a password is shown as such."""
    functions = context.functions
    changes: dict[str, Any] = {}
    same: list[str] = []
    wanted: list[tuple[str, str, str, str]] = []
    try:
        by_owner: dict[str, list[tuple[str, str, str, str]]] = {}
        for each in chosen:
            by_owner.setdefault(each[0], []).append(each)
        for owner, own in by_owner.items():
            present = database.answers(functions, owner, [each[1] for each in own])
            for each in own:
                _, question, type_, value = each
                if present.get(question) == (type_, value):
                    same.append(question)
                    continue
                wanted.append(each)
                shown = "(password hidden)" if type_ == "password" else value
                changes[question] = f"New value: {shown}" if context.is_test else shown
        comment = f"Unchanged answers: {' '.join(same)}" if same else ""
        if not wanted:
            return Outcome(True, comment or "All specified answers are already set")
        if context.is_test:
            return Outcome(None, comment, changes)
        database.put(functions, wanted)
    except (HostError, UsageError) as error:
        return failed(f"Some settings failed to be applied: {error}")
    return Outcome(True, comment, changes)


def _merged(given: Loose) -> dict[str, Any]:
    """Give a mapping, which YAML may spell as a list of single entries."""
    if isinstance(given, Mapping):
        return dict(given)
    if isinstance(given, list) and all(isinstance(each, Mapping) for each in given):
        return {key: value for each in given for key, value in each.items()}
    return {}
