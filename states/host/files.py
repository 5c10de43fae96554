"""Files of this machine: small reads, whole writes."""

import os
import pwd
import secrets
from pathlib import Path

from limpet.common.errors import HostError
from limpet.common.storage.files import host_error, make_directory, write_all, write_whole


class LocalFiles:
    """Implements `limpet.states.ports.machine.Files`."""

    def read_text(self, path: str, *, bytes_max: int = 1024 * 1024) -> str | None:
        """Give the content, at most `bytes_max` of it; None if it can't be read."""
        try:
            with open(path, "rb") as file:
                return file.read(bytes_max).decode("utf-8", "surrogateescape")
        except (OSError, ValueError):
            return None

    def write_text(self, path: str, text: str, *, mode: int) -> None:
        """Replace the file whole, durably. Raises `HostError`."""
        make_directory(Path(path).parent, 0o755)
        write_whole(path, text.encode("utf-8", "surrogateescape"), mode=mode)

    def exists(self, path: str) -> bool:
        """Say whether anything has that name."""
        return os.path.lexists(path)

    def is_directory(self, path: str) -> bool:
        """Say whether it is a directory."""
        return os.path.isdir(path)

    def is_program(self, path: str) -> bool:
        """Say whether it is a file that this process may execute."""
        return os.path.isfile(path) and os.access(path, os.X_OK)

    def names(self, directory: str) -> list[str]:
        """Give the names in a directory, sorted; none if it can't be read."""
        try:
            return sorted(os.listdir(directory))
        except OSError:
            return []

    def target(self, link: str) -> str | None:
        """Give what a symbolic link points at, None if it is none."""
        try:
            return os.readlink(link)
        except OSError:
            return None

    def place_script(self, content: bytes, *, directory: str, suffix: str, user: str | None) -> str:
        """Write a new private file (0700) that `user` may run; give its path, a random one."""
        path = os.path.join(directory, f"limpet-{secrets.token_hex(8)}{suffix}")
        try:
            owner = -1 if user is None else pwd.getpwnam(user).pw_uid
        except (KeyError, ValueError):
            raise HostError(f"User '{user}' is not available") from None
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o700)
            try:  # by the descriptor: whatever now has that name may be something else
                os.fchmod(descriptor, 0o700)
                os.fchown(descriptor, owner, -1)
                write_all(descriptor, content)
            except OSError:
                self.remove(path)
                raise
            finally:
                os.close(descriptor)
        except OSError as error:
            raise host_error("write the script", path, error) from error
        return path

    def remove(self, path: str) -> None:
        """Remove a file; one that is not there is fine."""
        try:
            os.unlink(path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise HostError(f"cannot remove {path}: {error.strerror}") from error
