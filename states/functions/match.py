"""`match.*`: whether a target means this minion, and choices that depend on it."""

import copy
from typing import TYPE_CHECKING, Any

from limpet.common.errors import UsageError
from limpet.states.context import FunctionContext, Loose
from limpet.states.pillar.merging import update as updated

if TYPE_CHECKING:
    from limpet.states.compiler.matching import Matching

_WITH_DELIMITER = {"grain": "G", "grain_pcre": "P", "pillar": "I", "pillar_pcre": "J"}


def compound(context: FunctionContext, tgt: Loose, minion_id: str | None = None) -> bool:
    """Say whether a compound target means this minion, or the one that is named.

    CLI Example: limpet run '*' match.compound 'L@cheese,foo and *'
    """
    return _matches(context, tgt, "compound", minion_id)


def glob(context: FunctionContext, tgt: Loose, minion_id: str | None = None) -> bool:
    """Say whether a glob fits the minion's id.

    CLI Example: limpet run '*' match.glob 'web*'
    """
    return _matches(context, tgt, "glob", minion_id)


def list_(context: FunctionContext, tgt: Loose, minion_id: str | None = None) -> bool:
    """Say whether the minion's id stands in a list, or in a text with commas.

    CLI Example: limpet run '*' match.list 'web1,web2'
    """
    wanted = tgt if isinstance(tgt, list) else str(tgt).split(",")
    return (minion_id or context.minion_id) in [str(each).strip() for each in wanted]


def pcre(context: FunctionContext, tgt: Loose, minion_id: str | None = None) -> bool:
    """Say whether a regular expression fits the minion's id from its beginning.

    CLI Example: limpet run '*' match.pcre 'web[0-9]'
    """
    return _matches(context, tgt, "pcre", minion_id)


def grain(context: FunctionContext, tgt: Loose, delimiter: str = ":") -> bool:
    """Say whether a grain has a value, globs allowed.

    CLI Example: limpet run '*' match.grain 'os:Ubuntu'
    """
    return _matches_delimited(context, tgt, "grain", delimiter)


def grain_pcre(context: FunctionContext, tgt: Loose, delimiter: str = ":") -> bool:
    """Say whether a regular expression fits a grain.

    CLI Example: limpet run '*' match.grain_pcre 'os:Fedo.*'
    """
    return _matches_delimited(context, tgt, "grain_pcre", delimiter)


def pillar(context: FunctionContext, tgt: Loose, delimiter: str = ":") -> bool:
    """Say whether a key of pillar has a value, globs allowed.

    CLI Example: limpet run '*' match.pillar 'cheese:foo'
    """
    return _matches_delimited(context, tgt, "pillar", delimiter)


def pillar_pcre(context: FunctionContext, tgt: Loose, delimiter: str = ":") -> bool:
    """Say whether a regular expression fits a key of pillar.

    CLI Example: limpet run '*' match.pillar_pcre 'cheese:(swiss|american)'
    """
    return _matches_delimited(context, tgt, "pillar_pcre", delimiter)


def ipcidr(context: FunctionContext, tgt: Loose) -> bool:
    """Say whether this minion has an address, or one of a network.

    CLI Example: limpet run '*' match.ipcidr 192.168.44.0/24
    """
    return _matches(context, tgt, "ipcidr", None)


def data(context: FunctionContext, tgt: Loose) -> bool:
    """Say whether a value that `data.update` has kept fits, globs allowed.

    CLI Example: limpet run '*' match.data 'spam:eggs'
    """
    from limpet.states.compiler.matching import Matching

    return Matching(context.minion_id, context.call("data.load"), {}).matches(str(tgt), "grain")


def ifelse(context: FunctionContext, *args: Loose) -> Loose:
    """Give the value behind the first target that means this minion, else the last argument.

    CLI Example: limpet run '*' match.ifelse 'web*' nginx 'db*' postgresql none
    """
    if len(args) % 2 == 0:
        raise UsageError(
            "match.ifelse: an odd number of arguments is wanted: pairs of target and value, and "
            "the value for the rest"
        )
    for target, value in zip(args[:-1:2], args[1::2], strict=True):
        if _matches(context, target, "compound", None):
            return value
    return args[-1]


def filter_by(
    context: FunctionContext,
    lookup: dict[str, Any],
    tgt_type: str = "compound",
    minion_id: str | None = None,
    merge: dict[str, Any] | None = None,
    merge_lists: bool = False,
    default: str = "default",
) -> Loose:
    """Give the entry of the first target that means this minion, else the one called `default`.

    CLI Example: limpet run '*' match.filter_by '{foo*: Foo!, bar*: Bar!}' minion_id=bar03
    """
    key = next((each for each in lookup if _matches(context, each, tgt_type, minion_id)), default)
    found = copy.deepcopy(lookup.get(key))
    if not merge:
        return found
    return updated({} if found is None else found, merge, is_joining_lists=merge_lists)


def search_by(
    context: FunctionContext,
    lookup: dict[str, Any],
    tgt_type: str = "compound",
    minion_id: str | None = None,
) -> list[str] | None:
    """Give the names whose list of targets has one that means this minion; None: no name.

    CLI Example: limpet run '*' match.search_by '{web: [node1, node2], db: [node3]}'
    """
    found = [
        name
        for name, targets in lookup.items()
        if any(
            _matches(context, each, tgt_type, minion_id)
            for each in (targets if isinstance(targets, list) else [targets])
        )
    ]
    return found or None


def _matches(context: FunctionContext, target: Loose, kind: str, minion_id: str | None) -> bool:
    text = ",".join(map(str, target)) if isinstance(target, list) else str(target)
    return _matching(context, minion_id).matches(text, kind)


def _matches_delimited(context: FunctionContext, target: Loose, kind: str, delimiter: str) -> bool:
    if delimiter == ":":
        return _matches(context, target, kind, None)
    # A compound term may name its delimiter between the letter and the at sign.
    return _matches(context, f"{_WITH_DELIMITER[kind]}{delimiter}@{target}", "compound", None)


def _matching(context: FunctionContext, minion_id: str | None) -> "Matching":
    from limpet.states.compiler.matching import Matching
    from limpet.states.compiler.settings import CompilerSettings

    settings = CompilerSettings.of(context.configuration)
    return Matching(
        minion_id or context.minion_id, context.grains, context.pillar, settings.nodegroups
    )
