"""Packages as minions fetch them: by digest alone, and nothing else of the directory.

Blocks on the disk; called in the threads of the file server.
"""

import re
from pathlib import Path
from typing import Final

from limpet.common.messages.sources import CHANGED
from limpet.common.packages.deb import PACKAGE_BYTES_MAX
from limpet.master.files.io.digests import Digests
from limpet.master.files.io.roots import Files
from limpet.master.files.reads import Found, Listed, LookUp, PieceRead, ReadPiece, Result, WalkTree
from limpet.states.fileroots.directories import DirectoryRoots
from limpet.states.ports.upgrades import PACKAGES_ENVIRONMENT

_NAME: Final = re.compile(r"[0-9a-f]{64}\.deb")


class PackageFiles:
    """The package store, for the file server."""

    def __init__(self, directory: Path, digests: Digests) -> None:
        roots = DirectoryRoots({PACKAGES_ENVIRONMENT: [str(directory)]})
        self._files = Files(roots, digests, bytes_max=PACKAGE_BYTES_MAX)

    def do(self, work: LookUp | ReadPiece | WalkTree) -> Result:
        """Answer a question about the environment of packages."""
        match work:
            case LookUp(name=name):
                return self._files.look_up(work) if _NAME.fullmatch(name) else Found(False)
            case ReadPiece(name=name):
                return self._files.read(work) if _NAME.fullmatch(name) else PieceRead(b"", CHANGED)
            case WalkTree():
                return Listed(is_found=False)  # whoever may fetch one has been told its name
