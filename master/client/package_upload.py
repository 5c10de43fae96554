"""Handing a package file over to the master: offer, then the pieces that are wanted."""

from __future__ import annotations

import hashlib
import os
from typing import Self

from limpet.common.control.packages import (
    PIECE_BYTES,
    OfferPackage,
    PackageAnswer,
    PackageWanted,
    SendPackage,
)
from limpet.common.errors import UsageError
from limpet.common.packages.deb import PACKAGE_BYTES_MAX
from limpet.master.client.errors import unexpected


class PackageUpload:
    """One package file, opened once: what is sent is what was looked at."""

    def __init__(self, path: str) -> None:
        """Open and read the file. Raises `UsageError` naming it."""
        try:
            self._file = open(path, "rb")  # noqa: SIM115 - closed by `__exit__`
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}") from error
        try:
            self._size = os.fstat(self._file.fileno()).st_size
            if not 0 < self._size <= PACKAGE_BYTES_MAX:
                raise UsageError(
                    f"{path} has {self._size} bytes: a package of 1 to {PACKAGE_BYTES_MAX} bytes "
                    "is expected"
                )
            self._sha256 = hashlib.file_digest(self._file, "sha256").hexdigest()
        except OSError as error:
            self._file.close()
            raise UsageError(f"{path}: {error.strerror}") from error
        except UsageError:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def offer(self) -> OfferPackage:
        """Say what is about to come."""
        return OfferPackage(self._sha256, self._size)

    def piece(self, answer: PackageAnswer) -> SendPackage:
        """Give the piece that is wanted."""
        if not isinstance(answer, PackageWanted) or not 0 <= answer.offset < self._size:
            raise unexpected(answer)
        data = os.pread(self._file.fileno(), PIECE_BYTES, answer.offset)
        return SendPackage(self._sha256, self._size, answer.offset, data)
