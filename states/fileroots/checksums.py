"""Checksums as people write them: `sha256=…`, `md5:…`, or only the digits."""

import re
from typing import Final

from limpet.common.errors import HostError

ALGORITHMS: Final = {
    32: "md5",
    40: "sha1",
    56: "sha224",
    64: "sha256",
    96: "sha384",
    128: "sha512",
}
"""Names of algorithms by the number of their hexadecimal digits."""
HEX: Final = re.compile(r"\b[0-9a-fA-F]{32,128}\b")


def checksum(text: str) -> tuple[str, str]:
    """Give algorithm and digits, in lowercase. Raises `HostError` for what is no checksum."""
    algorithm, separator, digits = text.partition("=")
    if not separator and ":" in text:
        algorithm, _, digits = text.partition(":")
    elif not separator:
        algorithm, digits = "", text
    digits = digits.strip().lower()
    algorithm = algorithm.strip().lower()
    known = ALGORITHMS.get(len(digits), "")
    if not known or not HEX.fullmatch(digits) or algorithm not in ("", known):
        raise HostError(
            f"Source hash {text} format is invalid. It must be in the format <hash type>=<hash>, a "
            "bare checksum, or the address of a file of checksums"
        )
    return known, digits
