"""The payload: everything of a version in one directory, never run where dpkg puts it."""

import gzip
import shutil
import tempfile
from pathlib import Path
from typing import Final

from deb import files, wheels
from deb.environment import PACKAGES, Environment, compile_tree
from deb.interpreter import PYTHON
from deb.programs import run
from deb.roles import Role, units_of
from deb.source import units_place

HERE: Final = Path(__file__).parent
ID_DIGITS: Final = 12
PROGRAMS: Final = frozenset({"bin/limpet", f"bin/python{PYTHON}"})


def place_of(role: Role) -> Path:
    """Give where the payload of a role is, relative to the host's root."""
    return Path("opt/limpet") / role.name / "payload"


def conffiles(role: Role) -> dict[str, tuple[str, int]]:
    """Give the configuration files of a role: path without leading slash to text and mode."""
    name = role.package
    told = {
        f"etc/limpet/{role.name}.yaml": (_text(f"{role.name}.yaml"), role.conffile_mode),
        f"etc/apt/apt.conf.d/52{name}": (_text("apt.conf").replace("@PACKAGE@", name), 0o644),
    }
    if role.name == "minion":
        told[f"etc/needrestart/conf.d/{name}.conf"] = (_text("needrestart.conf"), 0o644)
    return told


def _text(name: str) -> str:
    return (HERE / "files" / name).read_text(encoding="utf-8")


def compiled_program(environment: Environment, wheel: Path, target: Path) -> None:
    """Make what both roles share: environment, limpet, bytecode."""
    files.link_tree(environment.root, target)
    wheels.unpack_own(wheel, target / PACKAGES)
    compile_tree(target, target / PACKAGES / "limpet")
    files.write(target / "bin/limpet", _text("limpet"))


def finish(target: Path, role: Role, tree: Path, version: str, work: Path) -> list[str]:
    """Add what is the role's alone, then the identity; gives the names of the manual pages."""
    for name, (text, _mode) in conffiles(role).items():
        files.write(target / "share/conffiles" / name, text)
    for unit in units_of(role, units_place(tree)):
        files.write(target / "share/units" / unit.name, unit.read_text(encoding="utf-8"))
    pages = _manual(target, tree, work)
    identify(target, version)
    return pages


def identify(target: Path, version: str) -> str:
    """Write BUILD (`VERSION ID`), with the modes of everything set; gives `VERSION-ID`."""
    build = target / "BUILD"
    build.unlink(missing_ok=True)
    files.set_modes(target, PROGRAMS)
    identity = files.digest(target)[:ID_DIGITS]
    files.write(build, f"{version} {identity}\n")
    files.set_modes(target, PROGRAMS)
    return f"{version}-{identity}"


def _manual(target: Path, tree: Path, work: Path) -> list[str]:
    """Put the manual pages into the payload, compressed, and give their names."""
    sources = tree / "packaging/man"
    made = Path(tempfile.mkdtemp(prefix="man-", dir=work))
    if (sources / "generate.py").exists():
        run(
            target / "bin" / f"python{PYTHON}", "-I", "-B", sources / "generate.py", made,
            deadline_s=120,
        )  # fmt: skip
    elif sources.is_dir():
        for page in sources.glob("*.[1-8]"):
            shutil.copy(page, made)
    names = []
    for page in sorted(made.glob("*.[1-8]")):
        place = target / "share/man" / f"man{page.suffix[1:]}" / f"{page.name}.gz"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(gzip.compress(page.read_bytes(), mtime=0))
        names.append(f"man{page.suffix[1:]}/{place.name}")
    return names
