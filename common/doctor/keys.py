"""Key files: there, private, and the two halves of one pair."""

from collections.abc import Iterable
from pathlib import Path

from limpet.common.crypto.keyfiles import FILE_BYTES_MAX
from limpet.common.crypto.keys import decode_key, fingerprint
from limpet.common.errors import HostError, UsageError
from limpet.common.setup.findings import Finding, fail, ok, warn
from limpet.common.storage.files import read_whole


def read_key(path: Path) -> bytes | None:
    """Read a key file; None: there is none. Raises `HostError`, and `UsageError` for damage."""
    try:
        return decode_key(read_whole(path, bytes_max=FILE_BYTES_MAX))
    except FileNotFoundError:
        return None


def look(directory: Path, name: str) -> Iterable[Finding]:
    """Look at a pair: `NAME.secret`, its copy, `NAME.public`; but not at owners and modes.

    Before the first start there is none, and that is how it should be in an image.
    """
    from limpet.common.transport.sockets import public_key_of

    secret_path = directory / f"{name}.secret"
    found: list[bytes | None] = []
    for path in (secret_path, directory / f"{name}.secret.copy"):
        try:
            found.append(read_key(path))
        except UsageError as error:
            yield fail("key", f"{path} is damaged: {error}", "the next start mends it, if it can")
            found.append(None)
        except HostError as error:
            yield warn("key", str(error), "run `limpet doctor` as root to look at it as well")
            return
    secret, copy = found
    known = secret or copy
    if known is None:
        if not any(path.exists() for path in (secret_path, directory / f"{name}.public")):
            yield ok("key", f"none in {directory} yet: it is made at the first start")
        return
    if secret != copy:
        text = f"{secret_path} and its copy differ, or one is missing"
        yield warn("key", text, "the next start mends it: the first one counts")
    public_path = directory / f"{name}.public"
    try:
        public = read_key(public_path)
    except (UsageError, HostError):
        public = None
    if public is not None and public != public_key_of(known):
        text = f"{public_path} does not belong to the secret beside it"
        yield fail("key", text, f"rm {public_path} if the secret is the right one")
        return
    yield ok("key", f"{fingerprint(public_key_of(known))} in {directory}")
