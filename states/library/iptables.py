"""The `iptables` states: rules, chains and policies of the packet filter."""

from collections.abc import Callable
from typing import Any

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.functions.iptables.rules import words_of
from limpet.states.library.context import StateContext
from limpet.states.library.registry import RUNTIME_KEYWORDS
from limpet.states.outcome import Outcome, failed

Families = list[str]


def append(
    context: StateContext,
    name: str,
    table: str = "filter",
    family: Loose = "ipv4",
    **parts: Loose,
) -> Outcome:
    """See to it that a chain has a rule; a new one comes last."""
    return _each(context, name, table, family, parts, _appended)


def insert(
    context: StateContext,
    name: str,
    table: str = "filter",
    family: Loose = "ipv4",
    **parts: Loose,
) -> Outcome:
    """See to it that a chain has a rule; a new one comes to `position`."""
    return _each(context, name, table, family, parts, _inserted)


def delete(
    context: StateContext,
    name: str,
    table: str = "filter",
    family: Loose = "ipv4",
    **parts: Loose,
) -> Outcome:
    """See to it that a chain does not have a rule."""
    return _each(context, name, table, family, parts, _deleted)


def set_policy(
    context: StateContext,
    name: str,
    chain: str = "",
    policy: str = "",
    table: str = "filter",
    family: Loose = "ipv4",
    save: Loose = False,
    **_odd: Loose,
) -> Outcome:
    """See to it that a chain has a policy for what no rule takes."""
    outcomes = []
    for each in _families(family):
        where = f"iptables default policy for chain {chain} on table {table} for {each}"
        if context.call("iptables.get_policy", table, chain, each) == policy:
            outcomes.append(Outcome(True, f"{where} already set to {policy}"))
        elif context.is_test:
            outcomes.append(Outcome(None, f"{where} needs to be set to {policy}"))
        elif (told := context.call("iptables.set_policy", table, chain, policy, each)) is not True:
            outcomes.append(failed(f"Failed to set iptables default policy: {told}"))
        else:
            kept = "Set and saved" if _save(context, save, each) else "Set"
            comment = f"{kept} default policy for {chain} to {policy} family {each}"
            outcomes.append(Outcome(True, comment, {"locale": name}))
    return _together(outcomes)


def flush(
    context: StateContext,
    name: str,
    table: str = "filter",
    chain: str = "",
    family: Loose = "ipv4",
    **_odd: Loose,
) -> Outcome:
    """See to it that a chain, or a table, has no rules."""
    outcomes = []
    for each in _families(family):
        where = f"{table} table {chain} chain {each} family"
        chains = context.call("iptables.get_rules", each).get(table, {})
        if not any(found["rules"] for key, found in chains.items() if chain in ("", key)):
            outcomes.append(Outcome(True, f"iptables rules in {where} are already flushed"))
        elif context.is_test:
            outcomes.append(Outcome(None, f"iptables rules in {where} needs to be flushed"))
        elif told := context.call("iptables.flush", table, chain, each):
            outcomes.append(failed(f"Failed to flush iptables rules: {told}"))
        else:
            comment = f"Flush iptables rules in {where}"
            outcomes.append(Outcome(True, comment, {"locale": name}))
    return _together(outcomes)


def chain_present(
    context: StateContext,
    name: str,
    table: str = "filter",
    family: Loose = "ipv4",
    **_odd: Loose,
) -> Outcome:
    """See to it that there is a chain."""
    outcomes = []
    for each in _families(family):
        where = f"iptables {name} chain"
        if context.call("iptables.check_chain", table, name, each) is True:
            comment = f"{where} is already exist in {table} table for {each}"
            outcomes.append(Outcome(True, comment))
        elif context.is_test:
            comment = f"{where} in {table} table needs to be set for {each}"
            outcomes.append(Outcome(None, comment))
        elif (told := context.call("iptables.new_chain", table, name, each)) is not True:
            outcomes.append(failed(f"Failed to create {name} chain in {table} table: {told}"))
        else:
            comment = f"{where} in {table} table create success for {each}"
            outcomes.append(Outcome(True, comment, {"locale": name}))
    return _together(outcomes)


def chain_absent(
    context: StateContext,
    name: str,
    table: str = "filter",
    family: Loose = "ipv4",
    **_odd: Loose,
) -> Outcome:
    """See to it that there is no such chain; its rules go with it."""
    outcomes = []
    for each in _families(family):
        where = f"iptables {name} chain"
        if context.call("iptables.check_chain", table, name, each) is not True:
            comment = f"{where} is already absent in {table} table for {each}"
            outcomes.append(Outcome(True, comment))
            continue
        if context.is_test:
            comment = f"{where} in {table} table needs to be removed {each}"
            outcomes.append(Outcome(None, comment))
            continue
        told = context.call("iptables.flush", table, name, each) or context.call(
            "iptables.delete_chain", table, name, each
        )
        if told is not True:
            outcomes.append(failed(f"Failed to delete {name} chain in {table} table: {told}"))
        else:
            comment = f"{where} in {table} table delete success for {each}"
            outcomes.append(Outcome(True, comment, {"locale": name}))
    return _together(outcomes)


_One = Callable[[StateContext, str, str, str, dict[str, Any]], Outcome]


def _each(
    context: StateContext,
    name: str,
    table: str,
    family: Loose,
    parts: dict[str, Any],
    one: _One,
) -> Outcome:
    """Do it for each rule of `rules`, or the one, and for each family."""
    parts = {key: each for key, each in parts.items() if key not in RUNTIME_KEYWORDS}
    several = parts.pop("rules", None)
    outcomes = []
    try:
        for rule in several if isinstance(several, list) else [parts]:
            whole = dict(rule)
            inner_table = str(whole.pop("table", table))
            for each in _families(whole.pop("family", family)):
                outcomes.append(one(context, name, inner_table, each, whole))
    except HostError as error:
        outcomes.append(failed(str(error)))
    return _together(outcomes)


def _appended(
    context: StateContext, name: str, table: str, family: str, parts: dict[str, Any]
) -> Outcome:
    chain, rule = _chain(parts), words_of(parts)
    shown = _command(context, table, chain, "A", "", family, parts)
    if context.call("iptables.check", table, chain, rule, family) is True:
        return Outcome(True, f"iptables rule for {name} already set ({shown}) for {family}")
    if context.is_test:
        return Outcome(None, f"iptables rule for {name} needs to be set ({shown}) for {family}")
    if context.call("iptables.append", table, chain, rule, family) is not True:
        return failed(
            f"Failed to set iptables rule for {name}.\nAttempted rule was {shown} for {family}"
        )
    return _kept(context, name, shown, family, parts)


def _inserted(
    context: StateContext, name: str, table: str, family: str, parts: dict[str, Any]
) -> Outcome:
    chain, rule = _chain(parts), words_of(parts)
    position = int(parts.get("position") or 1)
    shown = _command(context, table, chain, "I", position, family, parts)
    if context.call("iptables.check", table, chain, rule, family) is True:
        return Outcome(True, f"iptables rule for {name} already set for {family} ({shown})")
    if context.is_test:
        return Outcome(None, f"iptables rule for {name} needs to be set for {family} ({shown})")
    if context.call("iptables.insert", table, chain, position, rule, family) is not True:
        return failed(f"Failed to set iptables rule for {name}.\nAttempted rule was {shown}")
    return _kept(context, name, shown, family, parts)


def _deleted(
    context: StateContext, name: str, table: str, family: str, parts: dict[str, Any]
) -> Outcome:
    chain, rule = _chain(parts), words_of(parts)
    position = parts.get("position")
    shown = _command(context, table, chain, "D", position or "", family, parts)
    if context.call("iptables.check", table, chain, rule, family) is not True:
        return Outcome(True, f"iptables rule for {name} already absent for {family} ({shown})")
    if context.is_test:
        return Outcome(None, f"iptables rule for {name} needs to be deleted for {family} ({shown})")
    if told := context.call("iptables.delete", table, chain, rule=rule, family=family):
        return failed(
            f"Failed to delete iptables rule for {name}.\nAttempted rule was {shown}: {told}"
        )
    kept = _save(context, parts.get("save"), family)
    done = "Deleted and saved" if kept else "Delete"
    return Outcome(True, f"{done} iptables rule for {name} {shown}", {"locale": name})


def _kept(
    context: StateContext, name: str, shown: str, family: str, parts: dict[str, Any]
) -> Outcome:
    changes = {"locale": name}
    if told := _save(context, parts.get("save"), family):
        comment = f"Set and saved iptables rule {name} for {family}\n{shown}\n{told}"
        return Outcome(True, comment, changes)
    return Outcome(True, f"Set iptables rule for {name} to: {shown} for {family}", changes)


def _command(
    context: StateContext,
    table: str,
    chain: str,
    command: str,
    position: Loose,
    family: str,
    parts: dict[str, Any],
) -> str:
    rest = {k: v for k, v in parts.items() if k not in ("chain", "position", "command", "full")}
    found = context.call(
        "iptables.build_rule", table, chain, command, position, True, family, **rest
    )
    return str(found)


def _save(context: StateContext, save: Loose, family: str) -> str:
    if not save:
        return ""
    target = None if save is True else str(save)
    return str(context.call("iptables.save", target, family))


def _chain(parts: dict[str, Any]) -> str:
    chain = parts.get("chain")
    if not chain:
        raise HostError("a rule needs its chain: 'chain: INPUT'")
    return str(chain)


def _families(family: Loose) -> Families:
    return [str(each) for each in (family if isinstance(family, list) else [family])]


def _together(outcomes: list[Outcome]) -> Outcome:
    """Make one outcome of several: the worst result, all changes, all comments."""
    results = [each.result for each in outcomes]
    result = False if False in results else None if None in results else True
    changes: dict[str, Any] = {}
    for each in outcomes:
        changes.update(each.changes)
    return Outcome(result, "\n".join(str(each.comment) for each in outcomes), changes)
