"""Passwords as the file of shadow passwords holds them, by the system's own libcrypt."""

import ctypes
import random
import string
from typing import Final

from limpet.common.errors import HostError, UsageError

_LIBRARIES: Final = ("libcrypt.so.1", "libcrypt.so.2")
_SALT_CHARACTERS: Final = string.ascii_letters + string.digits + "./"
_METHODS: Final = {
    "sha512": ("$6$", 16),
    "sha256": ("$5$", 16),
    "blowfish": ("$2b$12$", 22),
    "md5": ("$1$", 8),
    "crypt": ("", 2),
}
"""By Salt's name: how the setting begins, and how long its salt is."""
_CHANCE: Final = random.SystemRandom()


def hashed(password: str, salt: str | None, algorithm: str) -> str:
    """Give the hash. Raises `UsageError` for an unknown algorithm or an unfit salt."""
    if algorithm not in _METHODS:
        raise UsageError(
            f"Cannot hash using {algorithm!r} hash algorithm; there are {', '.join(_METHODS)}"
        )
    beginning, length = _METHODS[algorithm]
    if salt is None:
        salt = "".join(_CHANCE.choice(_SALT_CHARACTERS) for _ in range(length))
    found = _crypt(password.encode("utf-8"), f"{beginning}{salt}".encode())
    if not found or found.startswith("*"):
        raise UsageError(f"the salt does not fit the algorithm {algorithm!r}")
    return found


def _crypt(password: bytes, setting: bytes) -> str | None:
    if b"\0" in password + setting:
        raise UsageError("a password or salt has no NUL in it")
    for name in _LIBRARIES:
        try:
            crypt = ctypes.CDLL(name).crypt
        except (OSError, AttributeError):
            continue
        crypt.restype = ctypes.c_char_p
        crypt.argtypes = (ctypes.c_char_p, ctypes.c_char_p)
        found: bytes | None = crypt(password, setting)
        return None if found is None else found.decode("ascii", "replace")
    raise HostError("this machine has no libcrypt, so passwords can't be hashed here")
