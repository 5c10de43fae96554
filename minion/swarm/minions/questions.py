"""What a made-up job asks of the master, by its function and arguments; nothing is asked here.

    cp.…     the salt:// addresses in its arguments; of whole trees, and for lists, the listing too
    pillar.… the minion's pillar
    state.…  pillar, the listing, the SLS files that are named (else `top.sls`), and of each of
             them, by its text alone, the salt:// addresses and the items of lists that name an SLS

Real minions render SLS files, and ask for what comes of that; a swarm takes them as they stand.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from limpet.common.errors import UsageError
from limpet.states.fileroots.names import candidates, parse_address

ADDRESSES_MAX: Final = 1_000
"""Of one job."""
TOP: Final = "top.sls"

_TREES: Final = frozenset(("cp.cache_dir", "cp.get_dir"))
_LISTS: Final = frozenset(("cp.list_master", "cp.list_master_dirs", "cp.list_states"))
_NAMED: Final = frozenset(("apply", "sls", "sls_exists", "show_sls", "show_low_sls"))
"""Functions of `state` that are given names of SLS files."""
_TOPS: Final = frozenset(("apply", "highstate", "top", "show_highstate", "show_lowstate"))
"""… and those that go by the top file."""
_SLS_NAME: Final = re.compile(r"[\w/-]+(?:\.[\w/-]+)*")
_ITEM: Final = re.compile(r"""^\s*-\s+['"]?([\w/-]+(?:\.[\w/-]+)*)['"]?\s*$""", re.MULTILINE)
_ADDRESS: Final = re.compile(r"""salt://[^\s'",\]\[{}()]+""")


class Place(NamedTuple):
    """A file of the master."""

    environment: str
    path: str


class Questions(NamedTuple):
    """What one job asks for, in this order."""

    environment: str = "base"
    pillar: dict[str, Any] | None = None
    """What is said with the question for pillar, besides grains; None: it is not asked for."""
    needs_environments: bool = False
    needs_listing: bool = False
    sls: tuple[str, ...] = ()
    """Names of SLS files; `top.sls` stands for the top file itself."""
    files: tuple[Place, ...] = ()
    trees: tuple[str, ...] = ()
    """Folders of which everything is fetched; empty text: the whole environment."""


class Named(NamedTuple):
    """What the text of an SLS file names."""

    items: tuple[str, ...]
    """Items of lists that look like names of SLS files."""
    addresses: tuple[str, ...]


def questions_of(function: str, arguments: bytes) -> Questions | None:
    """Say what a job asks for; None: nothing. `arguments` as in `Deliver`."""
    module, _, name = function.partition(".")
    if module not in ("cp", "pillar", "state") or function == "pillar.ext":
        return None
    positional, keyword = _read(arguments)
    environment = _text(keyword.get("saltenv")) or "base"
    if module == "pillar":
        return Questions(environment, pillar=_pillar(keyword))
    files = tuple(places(_texts([*positional, *keyword.values()]), environment))
    if module == "state" and name in _NAMED | _TOPS:
        sls = tuple(_sls_names(positional, keyword)) if name in _NAMED else ()
        return Questions(
            environment,
            pillar=_pillar(keyword),
            needs_environments=not sls,
            needs_listing=True,
            sls=sls or (TOP,),
            files=files,
        )
    if function in _TREES:
        trees = tuple(place.path for place in files)
        return Questions(environment, needs_listing=True, trees=trees)
    if function == "cp.cache_master":
        return Questions(environment, needs_listing=True, trees=("",))
    if function in _LISTS:
        return Questions(environment, needs_listing=True)
    return Questions(environment, files=files) if files else None


def names_in(text: str) -> Named:
    """Read what an SLS file names, by its text alone."""
    return Named(
        tuple(dict.fromkeys(_ITEM.findall(text)))[:ADDRESSES_MAX],
        tuple(dict.fromkeys(_ADDRESS.findall(text)))[:ADDRESSES_MAX],
    )


def places(texts: Iterable[str], environment: str) -> Iterator[Place]:
    """Give the files that addresses lead to, each once; what is no address is passed over."""
    found: dict[Place, None] = {}
    for text in texts:
        for each in text.split(","):
            if not each.strip().startswith("salt://"):
                continue
            try:
                address = parse_address(each.strip().rstrip("/"))
            except UsageError:
                continue
            found[Place(address.environment or environment, address.path)] = None
            if len(found) == ADDRESSES_MAX:
                break
    yield from found


def path_of(sls: str, listed: Iterable[str]) -> str | None:
    """Give where an SLS lies among the files that are listed; None: nowhere."""
    if sls == TOP:
        return TOP if TOP in listed else None
    return next((path for path in candidates(sls) if path in listed), None)


def _read(arguments: bytes) -> tuple[list[Any], dict[str, Any]]:
    """Take arguments apart; those that can't be read are none."""
    try:
        return msgspec.msgpack.decode(arguments, type=tuple[list[Any], dict[str, Any]])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return [], {}


def _pillar(keyword: dict[str, Any]) -> dict[str, Any]:
    override = keyword.get("pillar")
    said: dict[str, Any] = {
        "saltenv": _text(keyword.get("saltenv")) or None,
        "pillarenv": _text(keyword.get("pillarenv")) or None,
        "override": override if isinstance(override, dict) and override else None,
    }
    return {**said, "is_usual": not any(said.values())}


def _sls_names(positional: list[Any], keyword: dict[str, Any]) -> Iterator[str]:
    given = positional[0] if positional else keyword.get("mods")
    for text in _texts([given]):
        for name in text.split(","):
            if _SLS_NAME.fullmatch(name.strip()):
                yield name.strip()


def _texts(values: Iterable[Any]) -> Iterator[str]:
    """Give all texts in values and in lists of them."""
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            yield from (each for each in value if isinstance(each, str))


def _text(value: Any) -> str:  # noqa: ANN401
    return value if isinstance(value, str) else ""
