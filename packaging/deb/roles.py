"""What the two packages are: names, units, texts, the parts of their scripts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from deb.programs import BuildError

RoleName = Literal["minion", "master"]

STORE: Final = "/var/lib/limpet/store/master.db"
ADVICE: Final = (
    "Stay with the version that is installed, or put back the copy that was made before: systemctl "
    "stop limpet-master; cd /var/lib/limpet/store; mv master.db.before-$schema master.db; rm -f "
    "master.db-wal master.db-shm (docs/upgrading.md, 'Back to an older release')."
)
"""`$schema` is the shell's."""


@dataclass(frozen=True, slots=True)
class Role:
    """One of the packages."""

    name: RoleName
    other: RoleName
    priority: int
    """Of /usr/bin/limpet among the alternatives: on a master's host the master's is meant."""
    units: tuple[str, ...]
    """What is enabled and started where it is configured; it brings along what else it wants."""
    wanted: tuple[str, ...]
    """Units that every host has on, whatever is configured."""
    unit_prefixes: tuple[str, ...]
    conffile_mode: int
    summary: str
    description: tuple[str, ...]

    @property
    def package(self) -> str:
        """The package's name."""
        return f"limpet-{self.name}"


ROLES: Final[dict[RoleName, Role]] = {
    "minion": Role(
        name="minion",
        other="master",
        priority=50,
        units=("limpet-minion.service",),
        wanted=("limpet-minion-upgrade.service",),
        unit_prefixes=("limpet-minion", "limpet-jobs"),
        conffile_mode=0o600,
        summary="configuration management: the part on every host",
        description=(
            "Takes jobs and states from a limpet master, or applies states of its own, and",
            "never gets stuck: no fault, and no order of faults, leaves a minion that only a",
            "person can bring back.",
            ".",
            "The package brings its own interpreter and libraries, so that nothing that is",
            "done to the host's Python touches it. It starts when it is configured:",
            "limpet minion setup --join STRING --master HOST.",
        ),
    ),
    "master": Role(
        name="master",
        other="minion",
        priority=60,
        units=("limpet-master.service",),
        wanted=(),
        unit_prefixes=("limpet-master", "limpet-enrol"),
        conffile_mode=0o640,
        summary="configuration management: the one that gives the orders",
        description=(
            "Keeps minions, jobs and their returns, serves files and pillar, and enrols new",
            "hosts through a small process of its own. Runs unprivileged.",
            ".",
            "The package brings its own interpreter and libraries, so that nothing that is",
            "done to the host's Python touches it. It starts when it is configured:",
            "limpet master setup.",
        ),
    ),
}


def preset_of(role: Role, place: Path) -> str:
    """Give what the presets say of a role's units: a boot without machine-id follows them."""
    lines = [
        line
        for path in (sorted(place.glob("*.preset")) if place.is_dir() else ())
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith(
            tuple(f"{word} {p}" for word in ("enable", "disable") for p in role.unit_prefixes)
        )
    ]
    return "".join(f"{line}\n" for line in lines)


def units_of(role: Role, place: Path) -> list[Path]:
    """Give the unit files of a role; raises `BuildError` for one that belongs to no package."""
    found = []
    for path in sorted(place.glob("*.*")) if place.is_dir() else ():
        if path.suffix not in (".service", ".slice", ".socket", ".timer", ".target"):
            continue
        owners = [each.name for each in ROLES.values() if path.name.startswith(each.unit_prefixes)]
        if not owners:
            raise BuildError(f"{path} belongs to no package: see deb/roles.py")
        if role.name in owners:
            found.append(path)
    return found
