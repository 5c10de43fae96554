"""`config.*`: values from the minion's configuration, its grains, and pillar, in this order.

Keys of the user's own stand under `custom:` in `minion.yaml` and are found by their bare name,
before limpet's own keys.
"""

import fnmatch
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from limpet.states.context import FunctionContext, Loose
from limpet.states.data.merging import merge as merged
from limpet.states.data.traversal import traverse

_SECRETS = ("join", "master_key")
_NOTHING = object()


def get(
    context: FunctionContext,
    key: str,
    default: Loose = "",
    delimiter: str = ":",
    merge: str | None = None,
    omit_opts: bool = False,
    omit_pillar: bool = False,
    omit_master: bool = False,
    omit_grains: bool = False,
) -> Loose:
    """Give a value from configuration, grains or pillar; a path such as `a:b` leads into one.

    With `merge` (`overwrite`, else recursively) the places are merged, not searched one by one.
    CLI Example: limpet run '*' config.get pkg.root
    """
    places = _places(context, omit_opts, omit_grains, omit_pillar, omit_master)
    if merge is None:
        for place in places:
            found = traverse(place, key, _NOTHING, delimiter)
            if found is not _NOTHING:
                return found
        return default
    whole: dict[str, Any] = {}
    for place in reversed(places):
        whole = {**whole, **place} if merge == "overwrite" else merged(whole, place)
    return traverse(whole, key, default, delimiter)


def option(
    context: FunctionContext,
    value: str,
    default: Loose = None,
    omit_opts: bool = False,
    omit_grains: bool = False,
    omit_pillar: bool = False,
    omit_master: bool = False,
    omit_all: bool = False,
    wildcard: bool = False,
) -> Loose:
    """Give the value of a key from configuration, grains or pillar; with `wildcard` all that fit.

    CLI Example: limpet run '*' config.option redis.host
    """
    places = _places(
        context,
        omit_opts or omit_all,
        omit_grains or omit_all,
        omit_pillar or omit_all,
        omit_master or omit_all,
    )
    if wildcard:
        found: dict[str, Any] = {}
        for place in reversed(places):
            found.update({key: place[key] for key in fnmatch.filter(place, value)})
        return found or ({} if default is None else default)
    for place in places:
        if value in place:
            return place[value]
    return "" if default is None else default


def merge(
    context: FunctionContext,
    value: str,
    default: Loose = "",
    omit_opts: bool = False,
    omit_master: bool = False,
    omit_pillar: bool = False,
) -> Loose:
    """Give a value merged from configuration and pillar; a text ends the search.

    CLI Example: limpet run '*' config.merge schedule
    """
    found: Any = None
    for place in _places(context, omit_opts, True, omit_pillar, omit_master):
        if value not in place:
            continue
        here = place[value]
        if found is None:
            found = here
            if isinstance(found, str):
                break
        elif isinstance(found, Mapping) and isinstance(here, Mapping):
            found = {**here, **found}
        elif isinstance(found, list | tuple) and isinstance(here, list | tuple):
            found = [*found, *here]
    return default if found is None else found


def items(context: FunctionContext) -> dict[str, Any]:
    """Give the whole configuration of the minion, secrets left out.

    CLI Example: limpet run '*' config.items
    """
    return {key: value for key, value in _own(context).items() if key not in _SECRETS}


def dot_vals(context: FunctionContext, value: str) -> dict[str, Any]:
    """Give all keys of the configuration that begin with `value.`.

    CLI Example: limpet run '*' config.dot_vals redis
    """
    return {key: each for key, each in _own(context).items() if str(key).startswith(f"{value}.")}


def manage_mode(context: FunctionContext, mode: str | None) -> str | None:
    """Give a file mode as four octal digits, as states compare it.

    CLI Example: limpet run '*' config.manage_mode 755
    """
    if mode is None:
        return None
    digits = re.sub(r"^0o", "", str(mode).strip("'\""))
    if digits and not digits.isdigit():
        return digits
    return digits.lstrip("0").rjust(4, "0")


def valid_fileproto(context: FunctionContext, uri: str) -> bool:
    """Say whether files can be had from an address of that kind.

    CLI Example: limpet run '*' config.valid_fileproto salt://path/to/file
    """
    return urlsplit(uri).scheme in ("salt", "http", "https", "ftp", "file", "s3", "swift")


def backup_mode(context: FunctionContext, backup: str = "") -> Loose:
    """Give the mode in which files are kept before they are replaced.

    CLI Example: limpet run '*' config.backup_mode
    """
    return backup or option(context, "backup_mode")


def _is_set(value: Loose) -> bool:
    """Say whether a key holds more than the empty default."""
    return value is not None and value not in ([], (), {})


def _own(context: FunctionContext) -> dict[str, Any]:
    """Give the configuration with the user's keys at the top, before limpet's own."""
    custom = context.configuration.get("custom") or {}
    return {**context.configuration, **custom}


def _options(context: FunctionContext) -> dict[str, Any]:
    """Give the configuration as templates see it: Salt's own keys stand below what is set."""
    from limpet.states.compiler.options import salt_options  # few calls need what it imports

    own = _own(context)
    return {
        **salt_options(
            context.configuration,
            minion_id=context.minion_id,
            file_roots={},
            pillar_roots={},
            cache_directory=str(context.places.state_directory),
            is_local=context.sources is None,
        ),
        **{key: value for key, value in own.items() if _is_set(value)},
    }


def _places(
    context: FunctionContext,
    omit_opts: bool,
    omit_grains: bool,
    omit_pillar: bool,
    omit_master: bool,
) -> list[Mapping[str, Any]]:
    """Give where a key is looked for, in Salt's order."""
    places: list[Mapping[str, Any]] = []
    if not omit_opts:
        places.append({key: each for key, each in _options(context).items() if _is_set(each)})
    if not omit_grains:
        places.append(context.grains)
    if not omit_pillar:
        places.append(context.pillar)
    if not omit_master:
        places.append(_MasterInPillar(context.pillar))
    return [*places, _defaults()]


def _defaults() -> dict[str, Any]:
    """Give Salt's own defaults; nobody else has this very mapping, whatever is done to it."""
    return {
        "hosts.file": "/etc/hosts",
        "aliases.file": "/etc/aliases",
        "ca.cert_base_path": "/etc/pki",
        "virt.images": "/srv/salt-images",
        "mongo.db": "salt",
        "solrcloud.connection": {"url": "http://localhost:8080/solr/", "timeout": 10},
    }


class _MasterInPillar(Mapping[str, Any]):
    """What pillar has under `master`; looked at only when nothing before it has the key."""

    def __init__(self, pillar: Mapping[str, Any]) -> None:
        self._pillar = pillar

    def _found(self) -> Mapping[str, Any]:
        found = self._pillar.get("master")
        return found if isinstance(found, Mapping) else {}

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401
        return self._found()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found())

    def __len__(self) -> int:
        return len(self._found())
