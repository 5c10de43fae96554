"""Trees of files: copied, normalised, hashed; every mode and time is set, none is inherited."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

DIRECTORY_MODE: Final = 0o755
FILE_MODE: Final = 0o644
PROGRAM_MODE: Final = 0o755


def walk(root: Path) -> Iterator[Path]:
    """Give everything below a directory, in one order on every machine, parents first."""
    for place, directories, names in os.walk(root):
        directories.sort()
        for name in sorted([*directories, *names]):
            yield Path(place) / name


def write(path: Path, text: str, mode: int = FILE_MODE) -> Path:
    """Write a text and set its mode; directories above are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def link_tree(source: Path, target: Path) -> None:
    """Make a tree of hard links: what is only read needs no second copy."""
    shutil.copytree(source, target, symlinks=True, copy_function=_link, dirs_exist_ok=True)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # another file system, or one without hard links
        shutil.copy2(source, target, follow_symlinks=False)


def set_modes(root: Path, programs: frozenset[str] = frozenset()) -> None:
    """Set the modes of everything below `root`, whatever the umask was.

    `programs` are paths relative to `root` that may be run; all else is only read. Files that are
    as they should be are not touched: they may be links to those of a cache.
    """
    for path in [*walk(root), root]:
        if path.is_symlink():
            continue
        is_program = str(path.relative_to(root)) in programs
        mode = PROGRAM_MODE if is_program else FILE_MODE
        wanted = DIRECTORY_MODE if path.is_dir() else mode
        if path.stat().st_mode & 0o7777 != wanted:
            path.chmod(wanted)


def set_times(root: Path, epoch_s: int) -> None:
    """Set the time of everything below `root`."""
    for path in [*walk(root), root]:
        os.utime(path, (epoch_s, epoch_s), follow_symlinks=False)


def digest(root: Path) -> str:
    """Give a SHA-256 over names, modes and contents below a directory."""
    total = hashlib.sha256()
    for path in walk(root):
        name = str(path.relative_to(root))
        if path.is_symlink():
            total.update(f"link {name} {path.readlink()}\n".encode())
        elif path.is_file():
            mode = path.stat().st_mode & 0o777
            total.update(f"file {name} {mode:o} {sha256(path)}\n".encode())
        else:
            total.update(f"directory {name}\n".encode())
    return total.hexdigest()


def sha256(path: Path) -> str:
    """Give the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def installed_kib(root: Path) -> int:
    """Give what dpkg calls the installed size: files rounded up to KiB, one for all else."""
    total = 0
    for path in walk(root):
        is_file = path.is_file() and not path.is_symlink()
        total += -(-path.stat().st_size // 1024) if is_file else 1
    return total
