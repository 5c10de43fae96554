"""`python -m deb`: builds the packages of a tree into a directory."""

import argparse
import fcntl
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from deb import environment, files, package, payload, programs, source, wheels
from deb.roles import ROLES

ROOT: Final = Path(__file__).parents[2]
WAIT_S: Final = 600.0
CACHE_VARIABLE: Final = "LIMPET_BUILD_CACHE"


def main(words: list[str]) -> int:
    """Build what the words ask for; gives the exit code."""
    options = _options(words)
    try:
        for made in build(
            options.source, options.out, suffix=options.version_suffix, only=options.only
        ):
            print(f"{made.stat().st_size / 1e6:6.1f} MB  {made}")
    except programs.BuildError as error:
        print(f"packages: {error}", file=sys.stderr)
        return 1
    return 0


def _options(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deb", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="where to (dist/)")
    parser.add_argument("--only", choices=sorted(ROLES), help="one package, no wheel, no sdist")
    parser.add_argument("--version-suffix", default="", help="added to the version: +lab1")
    parser.add_argument("--source", type=Path, default=ROOT, help="another tree of limpet")
    return parser.parse_args(words)


def cache_place() -> Path:
    """Give where what was fetched and built before is kept."""
    return Path(os.environ.get(CACHE_VARIABLE) or ROOT / "build/packages")


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """Have the cache for one build: its files are linked, not copied, and `tar` sees links change.

    Raises `BuildError` if another build takes longer than any should.
    """
    with (cache / "lock").open("w") as lock:
        deadline = time.monotonic() + WAIT_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise programs.BuildError(
                        f"another build has held {cache} for {WAIT_S:g} s: end it"
                    ) from None
                time.sleep(0.2)
        for left in (*cache.glob("making-*"), *cache.glob("environments/making-*")):
            shutil.rmtree(left, ignore_errors=True)  # of a build that was killed
        yield


def build(tree: Path, out: Path, *, suffix: str = "", only: str | None = None) -> list[Path]:
    """Build the packages of a tree into `out` and give their paths.

    Raises `BuildError` saying what is missing or wrong; nothing half made is left in `out`.
    """
    programs.install_missing_tools()
    began = time.monotonic()
    cache = cache_place()
    cache.mkdir(parents=True, exist_ok=True)
    found = source.look_at(tree, suffix)
    with _alone(cache), tempfile.TemporaryDirectory(prefix="making-", dir=cache) as directory:
        work = Path(directory)
        ready = environment.prepare(tree / "packaging/requirements/run.txt", cache)
        source.copy(found, work / "tree")
        wheel, sdist = wheels.build_own(work / "tree", work / "own", found.epoch_s)
        program = work / "program"
        payload.compiled_program(ready, wheel, program)
        made = []
        for role in ROLES.values():
            if only in (None, role.name):
                root = package.build(role, found, work / "tree", program, ready, work)
                size = files.installed_kib(root)
                name = f"{role.package}_{found.version}_amd64.deb"
                made.append(package.pack(root, out, name, found.epoch_s))
                print(f"{role.package}: {size / 1024:.1f} MiB installed", file=sys.stderr)
                shutil.rmtree(root)
        if only is None:
            made += [Path(shutil.copy(path, out)) for path in (wheel, sdist)]
    print(f"built in {time.monotonic() - began:.1f} s", file=sys.stderr)
    return made


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
