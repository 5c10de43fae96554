"""A built package opened, changed and packed again under another version: how tests plant faults.

What is changed in a module is compiled again; the version is the same in the control file, in the
scripts, in BUILD and in `limpet.__version__`, as in a package that was built so.
"""

import importlib.util
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from deb import files, payload
from deb.environment import PACKAGES
from deb.interpreter import PYTHON
from deb.package import SCRIPTS, pack, write_sums
from deb.programs import BuildError, run
from deb.source import VERSION_LINE

QUICK: Final = ("-Zgzip", "-z1")
_HASH: Final = slice(8, 16)
"""Where bytecode keeps the hash of its source."""


def nothing(root: Path) -> None:
    """Change nothing but the version."""


def repack(deb: Path, out: Path, version: str, edit: Callable[[Path], None] = nothing) -> Path:
    """Pack `deb` again as `version` into the directory `out`, after `edit(root)`.

    Below `root` are the files of the package, and DEBIAN. Raises `BuildError`.
    """
    with tempfile.TemporaryDirectory(prefix="repack-", dir="/var/tmp") as directory:
        root = Path(directory) / "root"
        run("dpkg-deb", "-R", deb, root)
        place = payload_in(root)
        epoch_s = int((place / "BUILD").stat().st_mtime)
        before = "-".join((place / "BUILD").read_text(encoding="utf-8").split())
        module = packages_in(root) / "limpet/__init__.py"
        text = module.read_text(encoding="utf-8")
        module.write_text(VERSION_LINE.sub(f'__version__ = "{version}"', text), encoding="utf-8")
        edit(root)
        _compile_changed(place)
        after = payload.identify(place, version)
        for name in SCRIPTS:
            path = root / "DEBIAN" / name
            path.write_text(path.read_text(encoding="utf-8").replace(before, after))
        control = root / "DEBIAN/control"
        lines = control.read_text(encoding="utf-8").splitlines()
        lines = [f"Version: {version}" if line.startswith("Version:") else line for line in lines]
        control.write_text("\n".join(lines) + "\n", encoding="utf-8")
        listed = (root / "DEBIAN/conffiles").read_text(encoding="utf-8").split()
        write_sums(root, {name.lstrip("/") for name in listed})
        (package,) = (line.split()[1] for line in lines if line.startswith("Package:"))
        return pack(root, out, f"{package}_{version}_amd64.deb", epoch_s, QUICK)


def payload_in(root: Path) -> Path:
    """Give the payload in a package's root. Raises `BuildError` if there is none."""
    found = list(root.glob("opt/limpet/*/payload"))
    if len(found) != 1:
        raise BuildError(f"{root} is no package of limpet: {len(found)} payloads")
    return found[0]


def packages_in(root: Path) -> Path:
    """Give the directory in a package's root that has `limpet/` in it."""
    return payload_in(root) / PACKAGES


def _compile_changed(place: Path) -> None:
    """Compile modules that are not what their bytecode was made of; a spoilt one stays without."""
    changed = []
    for source in files.walk(place / PACKAGES / "limpet"):
        if source.suffix != ".py" or source.is_symlink():
            continue
        compiled = Path(importlib.util.cache_from_source(str(source)))
        was = compiled.read_bytes()[_HASH] if compiled.exists() else b""
        if was != importlib.util.source_hash(source.read_bytes()):
            compiled.unlink(missing_ok=True)
            changed.append(source)
    try:
        run(
            place / "bin" / f"python{PYTHON}", "-I", "-B", "-m", "compileall", "-q", "-f",
            "--invalidation-mode", "unchecked-hash", "-s", place, *changed,
        )  # fmt: skip
    except BuildError as error:
        if "SyntaxError" not in str(error) and "IndentationError" not in str(error):
            raise
