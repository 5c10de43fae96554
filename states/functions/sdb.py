"""`sdb.*`: values out of other stores by `sdb://PROFILE/KEY`. There are no such stores here."""

from limpet.common.errors import HostError
from limpet.states.context import FunctionContext, Loose


def get(context: FunctionContext, uri: Loose, strict: bool = False) -> Loose:
    """Give a text that is no `sdb://` address as it is; there are no stores behind addresses.

    CLI Example: limpet run '*' sdb.get plain
    """
    return _plain("get", uri)


def set_(context: FunctionContext, uri: str, value: Loose) -> Loose:
    """Refuse: there are no stores.

    CLI Example: limpet run '*' sdb.set sdb://mymemcached/foo bar
    """
    raise _refusal("set", uri)


def delete(context: FunctionContext, uri: str) -> Loose:
    """Refuse: there are no stores.

    CLI Example: limpet run '*' sdb.delete sdb://mymemcached/foo
    """
    raise _refusal("delete", uri)


def get_or_set_hash(context: FunctionContext, uri: str, length: int = 8, chars: str = "") -> Loose:
    """Give a text that is no `sdb://` address as it is; there are no stores behind addresses.

    CLI Example: limpet run '*' sdb.get_or_set_hash plain
    """
    return _plain("get_or_set_hash", uri)


def _plain(function: str, uri: Loose) -> Loose:
    if isinstance(uri, str) and uri.startswith("sdb://"):
        raise _refusal(function, uri)
    return uri


def _refusal(function: str, uri: str) -> HostError:
    return HostError(
        f"sdb.{function}: {uri}: there are no sdb stores; keep secrets in pillar "
        "(docs/from-salt.md)"
    )
