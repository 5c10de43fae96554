"""Requests and replies about packages that minions are upgraded to.

client  OfferPackage ───▶          digest and size
        ◀──── PackageWanted        from which byte on; or PackageKept: it is here already
        SendPackage ────▶          a piece; answered as the offer is
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from limpet.common.control.replies import Reply
from limpet.common.control.requests import Request

PIECE_BYTES: Final = 512 * 1024
"""How much of a package a client sends at once."""

Sha256 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Size = Annotated[int, Meta(ge=0, le=2**40)]


class OfferPackage(Request, tag="offer_package", frozen=True):
    """A package file is about to be handed over."""

    sha256: Sha256
    size: Size
    """In bytes."""


class SendPackage(Request, tag="send_package", frozen=True):
    """A piece of a package, the one that is wanted; any other changes nothing."""

    sha256: Sha256
    size: Size
    """Of the whole."""
    offset: Size
    data: Annotated[bytes, Meta(max_length=PIECE_BYTES)]


class ListPackages(Request, tag="packages", frozen=True):
    """All packages that are kept, answered by `Packages`."""


PackageRequest = OfferPackage | SendPackage | ListPackages


class PackageInfo(msgspec.Struct, array_like=True, frozen=True):
    """One package in the package store."""

    sha256: str
    name: str
    version: str
    architecture: str
    size: int
    kept_s: float
    """When it was last handed over, in seconds since 1970."""
    protocol_min: int
    protocol_max: int


class PackageAnswer(Reply, frozen=True):
    """The base of the answers to a package that is handed over."""


class PackageWanted(PackageAnswer, tag="package_wanted", frozen=True):
    """The next piece begins here."""

    offset: int


class PackageKept(PackageAnswer, tag="package_kept", frozen=True):
    """The package is in the package store."""

    package: PackageInfo
    master_protocol: str
    """What this master speaks, as `1-2`."""


class Packages(Reply, tag="package_list", frozen=True):
    """The newest first."""

    packages: tuple[PackageInfo, ...]
    master_protocol: str


PackageReply = PackageWanted | PackageKept | Packages
