"""A made-up package manager whose repositories are written down below a directory."""

from dataclasses import dataclass
from pathlib import Path

from support.fakes.packages import FakePackages


@dataclass
class PlacedPackages(FakePackages):
    """Packages in memory, files of repositories on the disk."""

    place: Path = Path("/nowhere")

    def repository_places(self) -> dict[str, str]:
        if self.kind == "dnf":
            return {"folder": f"{self.place}/yum.repos.d", "keys": "", "file": "", "trusted": ""}
        return {
            "file": f"{self.place}/sources.list",
            "folder": f"{self.place}/sources.list.d",
            "keys": f"{self.place}/keyrings",
            "trusted": f"{self.place}/trusted.gpg.d",
        }
