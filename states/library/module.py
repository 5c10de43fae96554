"""The `module` states: execution functions called by a state, in both of Salt's spellings.

New: each argument is a function's name with its own arguments. Old: `name` is the function.
"""

from collections.abc import Mapping
from typing import Any

from limpet.common.errors import UsageError
from limpet.states.context import Loose
from limpet.states.functions import registry as functions
from limpet.states.library.context import StateContext
from limpet.states.library.registry import RUNTIME_KEYWORDS
from limpet.states.outcome import Outcome, failed


def run(context: StateContext, name: Loose = None, **more: Loose) -> Outcome:
    """Call execution functions; what they give is what has changed."""
    arguments = {key: value for key, value in more.items() if key not in RUNTIME_KEYWORDS}
    arguments.pop("sfun", None)
    if arguments and all("." in key for key in arguments):
        return _run_all(context, arguments)
    return _run_one(context, str(name), arguments)


def wait(context: StateContext, name: Loose = None, **_odd: Loose) -> Outcome:
    """Call the function only if something that is watched has changed."""
    return Outcome(True)


def watch(context: StateContext, name: Loose = None, **_odd: Loose) -> Outcome:
    """Do as `module.wait` does."""
    return Outcome(True)


def mod_watch(context: StateContext, name: Loose = None, **more: Loose) -> Outcome:
    """Call the function: something that is watched has changed."""
    return run(context, name, **more)


def _run_all(context: StateContext, asked: Mapping[str, Any]) -> Outcome:
    """Call every function of the new spelling."""
    names = list(asked)
    missing = [each for each in names if not _is_there(context, each.split(":")[0])]
    if missing or context.is_test:
        there = [each for each in names if each not in missing]
        comments = []
        if missing:
            plural = "s" if len(missing) > 1 else ""
            comments.append(f"Unavailable function{plural}: {', '.join(missing)}.")
        if context.is_test and there:
            plural = "s" if len(there) > 1 else ""
            comments.append(f"Function{plural} {', '.join(there)} to be executed.")
        return Outcome(False if missing else None, " ".join(comments), name=names)
    changes: dict[str, Any] = {}
    failures, successes = [], []
    for name, arguments in asked.items():
        positional, keyword = _new_arguments(arguments)
        try:
            answer = context.call(name.split(":")[0], *positional, **keyword)
        except (UsageError, TypeError) as error:
            failures.append(f"'{name}' failed: {error}")
            continue
        if _is_good(answer):
            said = answer.get("comment", "Success") if isinstance(answer, Mapping) else answer
            successes.append(f"{name}: {said}")
            changes[name] = answer
        elif isinstance(answer, Mapping):
            failures.append(f"'{name}' failed: {answer.get('comment', '(error message N/A)')}")
        else:
            failures.append(f"'{name}': {answer}")
    return Outcome(not failures, ", ".join(failures + successes), changes, name=names)


def _new_arguments(given: Loose) -> tuple[list[Any], dict[str, Any]]:
    positional: list[Any] = []
    keyword: dict[str, Any] = {}
    if isinstance(given, Mapping):
        return positional, dict(given)
    for each in given if isinstance(given, list) else [] if given is None else [given]:
        if isinstance(each, Mapping):
            keyword.update(each)
        else:
            positional.append(each)
    return positional, keyword


def _run_one(context: StateContext, name: str, given: dict[str, Any]) -> Outcome:
    """Call the function of the old spelling; `m_name` stands for an argument called `name`."""
    if not _is_there(context, name):
        return failed(f"Module function {name} is not available{functions.did_you_mean(name)}")
    if context.is_test:
        return Outcome(None, f"Module function {name} is set to execute")
    rest = given.pop("args", None) or []
    if not isinstance(rest, list):
        return failed("'args' must be a list.")
    function = functions.find(name)
    assert function is not None, "it has just been found"
    signature = function.signature
    named: dict[str, Any] = {}
    for key, value in given.items():
        plain = key.removeprefix("m_")
        key = key if key in signature.names else plain
        # As in Salt, what the function has no argument for is not handed on.
        if key in signature.names or signature.takes_more_keyword:
            named.setdefault(key, value)
    for key in ("kwargs", "returner", "func"):
        if key not in signature.names:
            named.pop(key, None)
    # Those that must be given come by place, so that `args` go on behind them.
    required = [each.name for each in signature.parameters if each.is_required]
    positional = [named.pop(each) for each in required if each in named] if rest else []
    answer = context.call(name, *positional, *rest, **{**named, **dict(given.get("kwargs") or {})})
    return Outcome(_is_good(answer), f"Module function {name} executed", {"ret": answer})


def _is_there(context: StateContext, name: str) -> bool:
    return functions.find(name) is not None


def _is_good(answer: Loose) -> bool:
    """Say whether the answer of a function is a success, by Salt's rules."""
    if answer is False:
        return False
    if not isinstance(answer, Mapping):
        return True
    for key in ("result", "success"):
        if isinstance(answer.get(key), bool):
            return bool(answer[key])
    if isinstance(answer.get("retcode"), int):
        return bool(answer["retcode"] == 0)
    # Answers of several parts fail with any of them.
    return all(_is_good(each) for each in answer.values() if isinstance(each, Mapping))
