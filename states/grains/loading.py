"""The grains that a call sees: facts, then the grains file, then `grains:` of minion.yaml.

Each of these overrides the one before it, as in Salt. Facts are kept in a file for a few minutes,
so that a job does not collect them again; the grains file and the configuration are always read.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from limpet import __version__
from limpet.common.errors import HostError, SourceError
from limpet.common.settings.source import read_source
from limpet.common.storage.files import read_whole, write_whole
from limpet.states.custom import using
from limpet.states.grains.collectors import PROBLEMS, collect

if TYPE_CHECKING:
    from limpet.states.context import FunctionContext, Places

KEPT_S = 300.0
"""Facts older than this are collected again."""
_FACTS_BYTES_MAX = 1024 * 1024


class KeptFacts(msgspec.Struct):
    """Collected facts and what they hold for."""

    version: str
    minion_id: str
    boot_id: str
    at_wall_s: float
    facts: dict[str, Any]


def load(context: "FunctionContext") -> dict[str, Any]:
    """Give the grains of a call: kept facts if they are fresh, and on top what the user has set."""
    kept = _kept(context)
    if kept is None:
        kept = all_facts(context, os.getpid())
        keep(context, kept)
    return with_own(kept, context.places, context.configuration)


def all_facts(context: "FunctionContext", pid: int) -> dict[str, Any]:
    """Collect the facts of this host, and over them those of the shop's own grains modules.

    What went wrong in such a module is named in `grains_problems`.
    """
    facts = collect(context.host, context.minion_id, context.configuration, pid=pid)
    custom = using.used()
    if custom is None:
        return facts
    facts.update(custom.grains(context, facts))
    problems = {name: told for name, told in custom.problems.items() if name.startswith("grains.")}
    if problems:
        facts[PROBLEMS] = {**facts.get(PROBLEMS, {}), **problems}
    return facts


def with_own(
    facts: Mapping[str, Any], places: "Places", configuration: Mapping[str, Any]
) -> dict[str, Any]:
    """Put the grains file and the configured grains over the facts.

    A grains file that can't be read is named in `grains_problems` and left out, as Salt does.
    """
    grains = dict(facts)
    try:
        grains.update(read_own(places.grains_file))
    except (SourceError, HostError) as error:
        grains[PROBLEMS] = {**grains.get(PROBLEMS, {}), "grains file": str(error)}
    grains.update(configuration.get("grains") or {})
    return grains


def read_own(path: Path) -> dict[str, Any]:
    """Read the grains file; empty if there is none. Raises `SourceError`, `HostError`."""
    try:
        text = read_whole(path, bytes_max=_FACTS_BYTES_MAX)
    except FileNotFoundError:
        return {}
    data = read_source(text, str(path)).data
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise SourceError("grains with values are expected, such as `role: web`", str(path))
    return dict(data)


def keep(context: "FunctionContext", facts: Mapping[str, Any]) -> None:
    """Keep collected facts for later calls; where that is not possible they are collected again."""
    kept = KeptFacts(
        __version__,
        context.minion_id,
        _boot_id(context),
        context.host.system.now(),
        dict(facts),
    )
    try:
        if context.places.state_directory.is_dir():
            write_whole(_path(context.places), msgspec.json.encode(kept))
    except HostError:
        return


def forget(places: "Places") -> None:
    """Have the facts collected again by the next call."""
    try:
        os.unlink(_path(places))
    except OSError:
        return


def _kept(context: "FunctionContext") -> dict[str, Any] | None:
    try:
        data = read_whole(_path(context.places), bytes_max=_FACTS_BYTES_MAX)
        kept = msgspec.json.decode(data, type=KeptFacts)
    except (OSError, HostError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    age_s = context.host.system.now() - kept.at_wall_s
    is_ours = (kept.version, kept.minion_id, kept.boot_id) == (
        __version__,
        context.minion_id,
        _boot_id(context),
    )
    return kept.facts if is_ours and 0 <= age_s < KEPT_S else None


def _boot_id(context: "FunctionContext") -> str:
    return (context.host.files.read_text("/proc/sys/kernel/random/boot_id") or "").strip()


def _path(places: "Places") -> Path:
    return places.state_directory / "facts.json"
