"""What a person should see of the last upgrade where it did not end with the new version."""

from pathlib import Path

from msgspec.structs import replace

from limpet.common.errors import HostError
from limpet.minion.upgrading.io.files import UpgradeFiles


def last_word(state_directory: Path) -> str:
    """Say in a sentence what went wrong; empty: nothing did. One that goes back now is told too."""
    files = UpgradeFiles(state_directory)
    try:
        found = files.load() or files.load_last()
    except HostError as error:
        return str(error)
    if found is None or found.phase == "done" or (not found.is_final and not found.reason):
        return ""
    if not found.is_final:
        found = replace(found, phase="back")
    return found.summary
