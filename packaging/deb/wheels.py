"""Python's part: the locked wheels, and limpet's own wheel and sdist."""

import json
import re
import shutil
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deb import files
from deb.interpreter import PYTHON
from deb.programs import BuildError, run

DROPPED: Final = ("bin", "cffi", "pycparser")
"""Programs; and what compiles C, of which cryptography needs only `_cffi_backend`."""
_DROPPED_RECORDS: Final = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
"""What pip writes for itself; dpkg keeps the list of files here."""
_DROPPED_SUFFIXES: Final = frozenset({".pyx", ".pxd", ".pyi", ".c", ".h"})


@dataclass(frozen=True, slots=True)
class Wheel:
    """One library of the lock, as it was installed."""

    name: str
    version: str
    sha256: str
    licence: str


def install_locked(lock: Path, target: Path, licences: Path, work: Path) -> list[Wheel]:
    """Install the wheels of a locked list with hashes into a directory, without their scripts.

    Raises `BuildError` where a wheel is missing or is not what the lock says.
    """
    work.mkdir(parents=True, exist_ok=True)
    report = work / "report.json"
    run(
        sys.executable, "-I", "-m", "pip", "install", "--quiet", "--no-compile", "--no-deps",
        "--require-hashes", "--only-binary", ":all:", "--implementation", "cp",
        "--python-version", PYTHON, "--abi", f"cp{PYTHON.replace('.', '')}",
        "--no-warn-script-location", "--disable-pip-version-check",
        "--target", target, "--report", report, "--requirement", lock,
    )  # fmt: skip
    for name in DROPPED:
        shutil.rmtree(target / name, ignore_errors=True)
    for path in list(files.walk(target)):
        is_record = path.parent.suffix == ".dist-info" and path.name in _DROPPED_RECORDS
        if is_record or (path.is_file() and path.suffix in _DROPPED_SUFFIXES):
            path.unlink()
        elif path.is_dir() and path.name == "tests" and path.parent.parent == target:
            shutil.rmtree(path)
    installed = json.loads(report.read_text(encoding="utf-8"))["install"]
    wheels = [_wheel(item) for item in installed]
    for wheel in wheels:
        _keep_licences(wheel, target, licences)
    return sorted(wheels, key=lambda wheel: wheel.name)


def _wheel(item: dict[str, dict[str, object]]) -> Wheel:
    about = item["metadata"]
    archive = item["download_info"]["archive_info"]
    hashes = archive["hashes"] if isinstance(archive, dict) else {}
    licence = about.get("license_expression") or about.get("license") or ""
    if not licence:
        classifiers = about.get("classifier", [])
        named = [
            str(line).rpartition(" :: ")[2]
            for line in (classifiers if isinstance(classifiers, list) else [])
            if str(line).startswith("License ::")
        ]
        licence = ", ".join(named)
    first = str(licence).strip().splitlines()
    return Wheel(
        name=str(about["name"]).lower(),
        version=str(about["version"]),
        sha256=str(hashes["sha256"]),
        licence=first[0] if first else "",
    )


def _keep_licences(wheel: Wheel, target: Path, licences: Path) -> None:
    """Gather the licence files of a wheel in one text. Raises `BuildError` if it brings none."""
    stem = re.sub(r"[-_.]+", "_", wheel.name)
    places = [
        path
        for path in target.glob("*.dist-info")
        if re.sub(r"[-_.]+", "_", path.name.lower()).startswith(f"{stem}_")
    ]
    texts = [
        path.read_text(encoding="utf-8", errors="replace")
        for place in places
        for path in files.walk(place)
        if path.is_file() and re.match(r"(?i)(licen[cs]e|copying|notice)", path.name)
    ]
    if not texts:
        raise BuildError(f"{wheel.name} {wheel.version} brings no licence text")
    files.write(licences / f"python3-{wheel.name}", "\n".join(texts))


def build_own(tree: Path, out: Path, epoch_s: int) -> tuple[Path, Path]:
    """Build limpet's wheel and sdist of a tree with hatchling; gives their paths."""
    out.mkdir(parents=True, exist_ok=True)
    run(
        sys.executable, "-I", "-m", "hatchling", "build", "-t", "wheel", "-t", "sdist", "-d", out,
        cwd=tree, environment={"SOURCE_DATE_EPOCH": str(epoch_s)},
    )  # fmt: skip
    (wheel,) = out.glob("*.whl")
    (sdist,) = out.glob("*.tar.gz")
    return wheel, sdist


def unpack_own(wheel: Path, target: Path) -> None:
    """Unpack limpet's wheel into a directory of packages."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    for path in target.glob("limpet-*.dist-info/RECORD"):
        path.unlink()
