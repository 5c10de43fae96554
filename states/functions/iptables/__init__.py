"""`iptables.*`: the packet filter, through `iptables` and `ip6tables`.

Every call waits for its turn (`--wait`) and has a limit. Rules are handed over as words.
"""

from typing import Any, Final

from limpet.common.errors import HostError
from limpet.states.context import FunctionContext, Loose
from limpet.states.functions.iptables.rules import shown, split, words_of
from limpet.states.ports import programs

_LIMIT_S: Final = 60.0
_WORD: Final = r"[A-Za-z0-9_.+-]{1,64}"
_RULES: Final = {"Debian": "/etc/iptables/rules.v{n}", "RedHat": "/etc/sysconfig/{p}"}


def version(context: FunctionContext, family: str = "ipv4") -> str:
    """Give the version of iptables.

    CLI Example: limpet run '*' iptables.version
    """
    words = _call(context, family, ["--version"], is_waiting=False).checked().stdout.split()
    return words[1] if len(words) > 1 else ""


def build_rule(
    context: FunctionContext,
    table: str = "filter",
    chain: str | None = None,
    command: str | None = None,
    position: Loose = "",
    full: bool = False,
    family: str = "ipv4",
    **parts: Loose,
) -> str:
    """Give a rule as a text, with `full` as the whole command line.

    CLI Example: limpet run '*' iptables.build_rule match=state connstate=NEW jump=ACCEPT
    """
    rule = shown(words_of(parts))
    if not full:
        return rule
    if not chain or not command:
        raise HostError("chain and command are needed where full is given")
    dash = "--" if len(command) > 1 else "-"
    return f"{_path(context, family)} --wait -t {table} {dash}{command} {chain} {position} {rule}"


def get_rules(context: FunctionContext, family: str = "ipv4") -> dict[str, Any]:
    """Give the rules of all tables, by table and chain.

    CLI Example: limpet run '*' iptables.get_rules
    """
    return _parsed(_saved(context, family))


def get_saved_rules(
    context: FunctionContext, conf_file: str | None = None, family: str = "ipv4"
) -> dict[str, Any]:
    """Give the rules of the file for the next boot, by table and chain.

    CLI Example: limpet run '*' iptables.get_saved_rules
    """
    return _parsed(context.host.files.read_text(conf_file or _file(context, family)) or "")


def get_policy(
    context: FunctionContext,
    table: str = "filter",
    chain: str | None = None,
    family: str = "ipv4",
) -> str | None:
    """Give what happens to a packet that no rule of a chain takes.

    CLI Example: limpet run '*' iptables.get_policy filter INPUT
    """
    if not chain:
        return "Error: Chain needs to be specified"
    found: str | None = get_rules(context, family).get(table, {}).get(chain, {}).get("policy")
    return found


def get_saved_policy(
    context: FunctionContext,
    table: str = "filter",
    chain: str | None = None,
    conf_file: str | None = None,
    family: str = "ipv4",
) -> str | None:
    """Give the policy of a chain in the file for the next boot.

    CLI Example: limpet run '*' iptables.get_saved_policy filter INPUT
    """
    if not chain:
        return "Error: Chain needs to be specified"
    rules = get_saved_rules(context, conf_file, family)
    found: str | None = rules.get(table, {}).get(chain, {}).get("policy")
    return found


def set_policy(
    context: FunctionContext,
    table: str = "filter",
    chain: str | None = None,
    policy: str | None = None,
    family: str = "ipv4",
) -> Loose:
    """Set what happens to a packet that no rule of a chain takes.

    CLI Example: limpet run '*' iptables.set_policy filter INPUT ACCEPT
    """
    if not chain or not policy:
        return "Error: Chain and policy need to be specified"
    words = ["-t", _word(table), "-P", _word(chain), _word(policy)]
    return _done(_call(context, family, words))


def save(
    context: FunctionContext,
    filename: str | None = None,
    family: str = "ipv4",
    table: str | None = None,
) -> str:
    """Keep the rules in the file for the next boot.

    CLI Example: limpet run '*' iptables.save /etc/sysconfig/iptables
    """
    target = filename or _file(context, family)
    if not target.startswith("/"):
        raise HostError(f"the path of the rules must be absolute, not {target!r}")
    text = _saved(context, family, table)
    folder = target.rpartition("/")[0]
    if folder and not context.host.files.is_directory(folder):
        context.host.file_system.make_directory(folder, 0o755)
    is_new = not context.host.files.exists(target)
    context.host.file_system.place(target, text.encode(), mode=0o644 if is_new else None)
    return f'Wrote 1 lines to "{target}"'


def check(
    context: FunctionContext,
    table: str = "filter",
    chain: str | None = None,
    rule: Loose = None,
    family: str = "ipv4",
) -> Loose:
    """Say whether there is a rule.

    CLI Example: limpet run '*' iptables.check filter INPUT rule='-p tcp --dport 22 -j ACCEPT'
    """
    if not chain:
        return "Error: Chain needs to be specified"
    if not rule:
        return "Error: Rule needs to be specified"
    words = ["-t", _word(table), "-C", _word(chain), *_rule(rule)]
    return _call(context, family, words).is_good


def check_chain(
    context: FunctionContext,
    table: str = "filter",
    chain: str | None = None,
    family: str = "ipv4",
) -> Loose:
    """Say whether there is a chain.

    CLI Example: limpet run '*' iptables.check_chain filter INPUT
    """
    if not chain:
        return "Error: Chain needs to be specified"
    return _call(context, family, ["-t", _word(table), "-n", "-L", _word(chain)]).is_good


def new_chain(
    context: FunctionContext,
    table: str = "filter",
    chain: str | None = None,
    family: str = "ipv4",
) -> Loose:
    """Make a chain; gives true, or what is said against it.

    CLI Example: limpet run '*' iptables.new_chain filter WEB
    """
    if not chain:
        return "Error: Chain needs to be specified"
    return _done(_call(context, family, ["-t", _word(table), "-N", _word(chain)]))


def delete_chain(
    context: FunctionContext,
    table: str = "filter",
    chain: str | None = None,
    family: str = "ipv4",
) -> Loose:
    """Remove a chain; gives true, or what is said against it.

    CLI Example: limpet run '*' iptables.delete_chain filter WEB
    """
    if not chain:
        return "Error: Chain needs to be specified"
    return _done(_call(context, family, ["-t", _word(table), "-X", _word(chain)]))


def append(
    context: FunctionContext,
    table: str = "filter",
    chain: str | None = None,
    rule: Loose = None,
    family: str = "ipv4",
) -> Loose:
    """Add a rule at the end of a chain; false if it is there.

    CLI Example: limpet run '*' iptables.append filter INPUT rule='-p tcp --dport 22 -j ACCEPT'
    """
    if not chain or not rule:
        return "Error: Chain and rule need to be specified"
    if check(context, table, chain, rule, family) is True:
        return False
    return _call(context, family, ["-t", _word(table), "-A", _word(chain), *_rule(rule)]).is_good


def insert(
    context: FunctionContext,
    table: str = "filter",
    chain: str | None = None,
    position: int | None = None,
    rule: Loose = None,
    family: str = "ipv4",
) -> Loose:
    """Add a rule at a place of a chain, 1 being the first; false if it is there.

    CLI Example: limpet run '*' iptables.insert filter INPUT position=1 rule='-j ACCEPT'
    """
    if not chain or not rule:
        return "Error: Chain and rule need to be specified"
    if position is None:
        return "Error: Position needs to be specified or use append (-A)"
    rules = get_rules(context, family).get(table, {}).get(chain, {}).get("rules", [])
    if position < 0:  # from the end, as in Salt
        position = max(len(rules) + position + 1, 1)
    if check(context, table, chain, rule, family) is True:
        return False
    words = ["-t", _word(table), "-I", _word(chain), str(max(position, 1)), *_rule(rule)]
    return _call(context, family, words).is_good


def delete(
    context: FunctionContext,
    table: str,
    chain: str | None = None,
    position: int | None = None,
    rule: Loose = None,
    family: str = "ipv4",
) -> str:
    """Remove a rule by its place or its text; gives what is said against it, or nothing.

    CLI Example: limpet run '*' iptables.delete filter INPUT position=3
    """
    if position and rule:
        return "Error: Only specify a position or a rule, not both"
    if not chain or not (position or rule):
        return "Error: Chain, and position or rule, need to be specified"
    what = [str(position)] if position else _rule(rule)
    answer = _call(context, family, ["-t", _word(table), "-D", _word(chain), *what])
    return "" if answer.is_good else answer.complaint


def flush(
    context: FunctionContext, table: str = "filter", chain: str = "", family: str = "ipv4"
) -> str:
    """Remove all rules of a chain, or of a table; gives what is said against it, or nothing.

    CLI Example: limpet run '*' iptables.flush filter INPUT
    """
    words = ["-t", _word(table), "-F", *([_word(chain)] if chain else [])]
    answer = _call(context, family, words)
    return "" if answer.is_good else answer.complaint


def _path(context: FunctionContext, family: str) -> str:
    """Give the program of a family. Raises `HostError` where it is missing."""
    name = _program(family)
    found = programs.find(context.host.commands, name)
    if found is None:
        raise HostError(f"the program {name!r} is not installed")
    return found


def _program(family: str) -> str:
    if family not in ("ipv4", "ipv6"):
        raise HostError(f"the family of a rule is ipv4 or ipv6, not {family!r}")
    return "ip6tables" if family == "ipv6" else "iptables"


def _call(
    context: FunctionContext, family: str, words: list[str], *, is_waiting: bool = True
) -> programs.Answer:
    argv = [_program(family), *(["--wait"] if is_waiting else []), *words]
    return programs.run(context.host.commands, argv, limit_s=_LIMIT_S)


def _done(answer: programs.Answer) -> Loose:
    return answer.is_good or answer.complaint


def _rule(rule: Loose) -> list[str]:
    return [str(each) for each in rule] if isinstance(rule, list) else split(str(rule))


def _word(word: str) -> str:
    return programs.plain_word(word, "a table, chain or policy", _WORD)


def _saved(context: FunctionContext, family: str, table: str | None = None) -> str:
    words = [f"{_program(family)}-save", *(["-t", _word(table)] if table else [])]
    return programs.run(context.host.commands, words, limit_s=_LIMIT_S).checked().stdout


def _file(context: FunctionContext, family: str) -> str:
    form = _RULES.get(str(context.grains.get("os_family")))
    if form is None:
        raise HostError("Saving iptables to file is not supported on this OS: say which file")
    return form.format(n="6" if family == "ipv6" else "4", p=_program(family))


def _parsed(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    table: dict[str, Any] = {}
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0].startswith("*"):
            table = found.setdefault(words[0][1:], {})
        elif words[0].startswith(":") and len(words) > 2:
            packets, _, length = words[2].strip("[]").partition(":")
            table[words[0][1:]] = {
                "policy": words[1], "packet count": packets, "byte count": length, "rules": [],
                "rules_comment": {},
            }  # fmt: skip
        elif words[0] == "-A" and len(words) > 1 and words[1] in table:
            rule = line.partition(words[1])[2].strip()
            table[words[1]]["rules"].append(rule)
            parts = split(rule)
            if "--comment" in parts[:-1]:
                comment = parts[parts.index("--comment") + 1]
                table[words[1]]["rules_comment"][comment] = rule
    return found
