"""`limpet.*`: the minion itself. Its package is replaced without losing the host over it."""

import contextlib
import hashlib
import os
import re
import stat
from pathlib import Path
from typing import Any, BinaryIO, Final

from limpet import __version__
from limpet.common.errors import HostError, UsageError
from limpet.common.packages.deb import PACKAGE_BYTES_MAX
from limpet.common.storage.files import host_error
from limpet.states.context import FunctionContext
from limpet.states.ports.served import Question, SourceChanged
from limpet.states.ports.upgrades import PACKAGES_ENVIRONMENT, Upgrades, Wanted

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_RANGE: Final = re.compile(r"([0-9]{1,4})-([0-9]{1,4})")
READY_S_MAX: Final = 3600.0
TRIES_MAX: Final = 3
BLOCK_BYTES: Final = 1024 * 1024


def version(context: FunctionContext) -> str:
    """Give the version of limpet that this job runs with.

    CLI Example: limpet run '*' limpet.version
    """
    return __version__


def last_upgrade(context: FunctionContext) -> dict[str, Any]:
    """Tell how the last upgrade of the minion's package ended, or how far it is.

    An empty answer: it was never upgraded. `phase` is `done`, `back` (the old version was put
    back), `failed`, `overtaken`, or a phase of one that is under way.
    CLI Example: limpet run '*' limpet.last_upgrade
    """
    return dict(_upgrades(context).last())


def upgrade(
    context: FunctionContext,
    package: str,
    ready_timeout: float = 60.0,
    master_protocol: str = "",
) -> dict[str, Any]:
    """Install another version of the minion's own package, and come back with how it went.

    `package` is the SHA-256 of a package in the master's package store (`limpet upgrade` puts it
    there), or the path of a file on this host. The new version has `ready_timeout` seconds to be
    READY, and has to stay so; else the old one is put back and the job fails with
    `rolled back to …`.
    `master_protocol` is the range that the master speaks, as `1-2`.
    CLI Example: limpet run web1 limpet.upgrade /root/limpet-minion.deb ready_timeout=120
    """
    if not 1 <= ready_timeout <= READY_S_MAX:
        raise UsageError(f"ready_timeout={ready_timeout:g}: give 1 to {READY_S_MAX:g} seconds")
    found = _RANGE.fullmatch(master_protocol)
    if master_protocol and found is None:
        raise UsageError(f"master_protocol={master_protocol[:40]!a}: MIN-MAX is expected")
    upgrades = _upgrades(context)
    upgrades.raise_if_impossible()
    place = upgrades.incoming()
    if package.startswith("/"):
        shown, sha256 = package, _copied(package, place)
    elif _DIGEST.fullmatch(package):
        shown, sha256 = f"package {package[:12]}", package
        _fetch(context, package, place)
    else:
        raise UsageError(
            f"limpet.upgrade: {package[:80]!a} is neither a SHA-256 nor the path of a file here; "
            "`limpet upgrade TARGET --package FILE` on the master does all of it"
        )
    wanted = Wanted(
        sha256,
        shown,
        ready_timeout,
        int(found[1]) if found else 0,
        int(found[2]) if found else 0,
        context.jid,
    )
    ended = upgrades.run(place, wanted)
    answer: dict[str, Any] = {"old": ended.old, "new": ended.new, "seconds": ended.seconds}
    if ended.notices:
        answer["notices"] = list(ended.notices)
    return answer


def _upgrades(context: FunctionContext) -> Upgrades:
    if context.upgrades is None:
        raise HostError("only the running minion can be upgraded: leave --local out")
    return context.upgrades()


def _copied(package: str, place: Path) -> str:
    """Copy a file of this host; gives its SHA-256."""
    digest = hashlib.sha256()
    with open(_opened(package), "rb") as source, _written(place) as file:
        size = 0
        while block := _read(source, package):
            size += len(block)
            if size > PACKAGE_BYTES_MAX:
                raise HostError(f"{package} has more than {PACKAGE_BYTES_MAX} bytes")
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def _opened(package: str) -> int:
    """Open a regular file: a pipe or a device may never end."""
    try:
        descriptor = os.open(package, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise HostError(f"{package} can't be read: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise HostError(f"{package} is not a regular file")
    return descriptor


def _read(source: BinaryIO, package: str) -> bytes:
    try:
        return source.read(BLOCK_BYTES)
    except OSError as error:
        raise HostError(f"{package} can't be read: {error.strerror}") from error


def _fetch(context: FunctionContext, sha256: str, place: Path) -> None:
    """Bring the package from the master's package store, piece by piece."""
    if context.sources is None:
        raise HostError("the package can't be fetched: this minion has no link to a master")
    question = Question("file", PACKAGES_ENVIRONMENT, f"{sha256}.deb")
    for left in reversed(range(TRIES_MAX)):
        try:
            with _written(place) as file:
                _pull(context, question, sha256, file)
            return
        except SourceChanged:
            if not left:
                raise


@contextlib.contextmanager
def _written(place: Path) -> Any:  # noqa: ANN401 - an iterator of an open file
    """Give the file to write; it is synced, or taken away again."""
    try:
        with open(place, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        place.unlink(missing_ok=True)
        raise host_error("keep the package at", place, error) from error
    except BaseException:
        place.unlink(missing_ok=True)
        raise


def _pull(context: FunctionContext, question: Question, sha256: str, file: Any) -> None:  # noqa: ANN401
    assert context.sources is not None
    served = context.sources.ask(question)
    if not served.is_found:
        raise HostError(
            f"the master has no package {sha256[:12]} (any more): hand it over again with "
            "`limpet upgrade TARGET --package FILE`"
        )
    if served.digest != sha256 or served.size > PACKAGE_BYTES_MAX:
        raise HostError(f"what the master calls package {sha256[:12]} is something else")
    if served.body is not None:
        file.write(served.body)
        return
    size = 0
    while size < served.size:
        piece = context.sources.pull(question, served, size)
        file.write(piece)
        size += len(piece)
