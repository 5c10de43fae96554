"""The minion's id where no minion runs: the one that it has, or would find at its first start."""

from limpet.common.service.paths import Roots
from limpet.common.settings.minion import MinionConfiguration
from limpet.common.settings.minion_identity import HostNames, find_minion_id, guess_minion_id


def minion_id_of(roots: Roots, configuration: MinionConfiguration) -> str:
    """Give the configured id, else the kept one, else the one that would be found; none is kept.

    Raises `UsageError` for a configured id that is none.
    """
    if configuration.id is not None:
        return configuration.id
    if (roots.state_dir / "minion_id").is_file():
        return find_minion_id(roots.state_dir, None).minion
    return guess_minion_id(HostNames()).minion
