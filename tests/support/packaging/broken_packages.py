"""Packages of the minion that break it in the ways in which a release can be broken."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from deb.repack import packages_in, repack

Edit = Callable[[Path], None]


def _daemon(root: Path) -> Path:
    return packages_in(root) / "limpet" / "minion" / "process" / "loop.py"


def import_error(root: Path) -> None:
    """Its program can't be imported."""
    path = _daemon(root)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("\nEnd = ", "\nimport no_such_module\n\nEnd = ", 1))


def crash_after_3_s(root: Path) -> None:
    """It is READY for a moment, and then it ends."""
    path = _daemon(root)
    crash = "import threading\nthreading.Timer(3.0, os._exit, (7,)).start()\n"
    path.write_text(path.read_text(encoding="utf-8").replace("\nEnd = ", f"\n{crash}\nEnd = ", 1))


def never_ready(root: Path) -> None:
    """It runs, and speaks a protocol that no master does (its control data say otherwise)."""
    path = packages_in(root) / "limpet" / "common" / "messages" / "fields.py"
    text = path.read_text(encoding="utf-8")
    for name in ("PROTOCOL_MIN", "PROTOCOL_MAX"):
        at = text.index(f"{name}: Final = ") + len(f"{name}: Final = ")
        text = f"{text[:at]}9{text[at:]}"
    path.write_text(text, encoding="utf-8")


def hangs(root: Path) -> None:
    """It starts and then does nothing any more."""
    path = _daemon(root)
    head = "    def _turn(self) -> None:\n"
    hang = "        import time\n\n        time.sleep(100_000)\n"
    path.write_text(path.read_text(encoding="utf-8").replace(head, head + hang, 1))


def fails_to_install(root: Path) -> None:
    """Its postinst fails, after everything was unpacked."""
    path = root / "DEBIAN" / "postinst"
    path.write_text("#!/bin/sh\necho 'this package is no good' >&2\nexit 1\n", encoding="utf-8")


def fails_before(root: Path) -> None:
    """Its preinst fails, before anything was unpacked."""
    path = root / "DEBIAN" / "preinst"
    path.write_text("#!/bin/sh\necho 'not on this host' >&2\nexit 1\n", encoding="utf-8")


BROKEN: Final[Mapping[str, Edit]] = {
    "import error": import_error,
    "crash after 3 s": crash_after_3_s,
    "never READY": never_ready,
    "hangs": hangs,
    "postinst fails": fails_to_install,
    "preinst fails": fails_before,
}


def renamed(package: Path, version: str) -> Path:
    """Give the same package under another version; one that was made of it earlier is used."""
    return _made(package, version, lambda _root: None)


def broken(package: Path, version: str, how: str) -> Path:
    """Give a package broken in that way; one that was made of it earlier is used."""

    def edit(root: Path) -> None:
        before = _contents(root)
        BROKEN[how](root)
        assert _contents(root) != before, f"{how}: nothing was changed"

    return _made(package, version, edit)


def _made(package: Path, version: str, edit: Edit) -> Path:
    # Beside the package, for it takes half a minute on a busy machine; its digest is in the name,
    # for packages are built anew.
    with open(package, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:12]
    out = package.parent / f"made-of-{digest}"
    made = out / f"limpet-minion_{version}_amd64.deb"
    if not made.exists():
        out.mkdir(exist_ok=True)
        assert repack(package, out, version, edit) == made
    return made


def _contents(root: Path) -> dict[Path, bytes]:
    names = [_daemon(root), root / "DEBIAN" / "postinst", root / "DEBIAN" / "preinst"]
    names.append(packages_in(root) / "limpet" / "common" / "messages" / "fields.py")
    return {path: path.read_bytes() for path in names}
