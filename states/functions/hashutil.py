"""`hashutil.*`: checksums and encodings of texts and files."""

import base64
import binascii
import hashlib
import hmac
from typing import Any

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext


def digest(context: FunctionContext, instr: str, checksum: str = "md5") -> str:
    """Give the checksum of a text: md5, sha256 or sha512.

    CLI Example: limpet run '*' hashutil.digest 'get salted' sha256
    """
    try:
        return hashlib.new(checksum, _bytes(instr), usedforsecurity=False).hexdigest()
    except ValueError:
        raise UsageError(f"Hash type {checksum!r} is not supported") from None


def digest_file(context: FunctionContext, infile: str, checksum: str = "md5") -> str:
    """Give the checksum of a file.

    CLI Example: limpet run '*' hashutil.digest_file /etc/hostname sha256
    """
    if context.host.file_system.facts(infile, is_following=True) is None:
        raise HostError(f"{infile}: there is no such file")
    content = context.host.file_system.read(infile)
    try:
        return hashlib.new(checksum, content, usedforsecurity=False).hexdigest()
    except ValueError:
        raise UsageError(f"Hash type {checksum!r} is not supported") from None


def md5_digest(context: FunctionContext, instr: str) -> str:
    """Give the MD5 of a text.

    CLI Example: limpet run '*' hashutil.md5_digest 'get salted'
    """
    return digest(context, instr, "md5")


def sha256_digest(context: FunctionContext, instr: str) -> str:
    """Give the SHA-256 of a text.

    CLI Example: limpet run '*' hashutil.sha256_digest 'get salted'
    """
    return digest(context, instr, "sha256")


def sha512_digest(context: FunctionContext, instr: str) -> str:
    """Give the SHA-512 of a text.

    CLI Example: limpet run '*' hashutil.sha512_digest 'get salted'
    """
    return digest(context, instr, "sha512")


def base64_b64encode(context: FunctionContext, instr: str) -> str:
    """Encode a text in base64, in one line.

    CLI Example: limpet run '*' hashutil.base64_b64encode 'get salted'
    """
    return base64.b64encode(_bytes(instr)).decode("ascii")


def base64_b64decode(context: FunctionContext, instr: str) -> str:
    """Decode base64.

    CLI Example: limpet run '*' hashutil.base64_b64decode Z2V0IHNhbHRlZA==
    """
    try:
        return base64.b64decode(instr).decode("utf-8", "surrogateescape")
    except (binascii.Error, ValueError) as error:
        raise UsageError(f"that is no base64: {error}") from error


def base64_encodestring(context: FunctionContext, instr: str) -> str:
    """Encode a text in base64, in lines of 76 characters.

    CLI Example: limpet run '*' hashutil.base64_encodestring 'get salted'
    """
    return base64.encodebytes(_bytes(instr)).decode("ascii")


def base64_decodestring(context: FunctionContext, instr: str) -> str:
    """Decode base64 in lines.

    CLI Example: limpet run '*' hashutil.base64_decodestring Z2V0IHNhbHRlZA==
    """
    return base64_b64decode(context, instr)


def base64_encodefile(context: FunctionContext, fname: str) -> str:
    """Encode the content of a file in base64.

    CLI Example: limpet run '*' hashutil.base64_encodefile /etc/hostname
    """
    return base64.encodebytes(context.host.file_system.read(fname)).decode("ascii")


def base64_decodefile(context: FunctionContext, instr: str, outfile: str) -> bool:
    """Decode base64 into a file.

    CLI Example: limpet run '*' hashutil.base64_decodefile Z2V0IHNhbHRlZA== /tmp/binary
    """
    try:
        content = base64.b64decode(instr)
    except (binascii.Error, ValueError) as error:
        raise UsageError(f"that is no base64: {error}") from error
    context.host.file_system.place(outfile, content, mode=None)
    return True


def github_signature(
    context: FunctionContext, string: str, shared_secret: str, challenge_hmac: str
) -> bool:
    """Say whether a text has this signature as GitHub's hooks give it: `sha1=…`, `sha256=…`.

    CLI Example: limpet run '*' hashutil.github_signature text secret challenge_hmac=sha1=b1bf
    """
    algorithm, _, wanted = challenge_hmac.partition("=")
    if algorithm not in ("sha1", "sha256", "sha512"):
        raise UsageError(f"hashutil.github_signature: {algorithm!r} is no algorithm of GitHub's")
    made = hmac.digest(_bytes(shared_secret), _bytes(string), algorithm).hex()
    return hmac.compare_digest(made.encode(), _bytes(wanted))


def hmac_signature(
    context: FunctionContext, string: str, shared_secret: str, challenge_hmac: str
) -> bool:
    """Say whether a text has this HMAC-SHA256, given in base64.

    CLI Example: limpet run '*' hashutil.hmac_signature 'get salted' 'shared secret' eBWf9bstXg==
    """
    made = base64.b64encode(hmac.digest(_bytes(shared_secret), _bytes(string), "sha256"))
    return hmac.compare_digest(made, challenge_hmac.encode("utf-8", "surrogateescape"))


def hmac_compute(context: FunctionContext, string: str, shared_secret: str) -> str:
    """Give the HMAC-SHA256 of a text, in hexadecimal.

    CLI Example: limpet run '*' hashutil.hmac_compute 'get salted' 'shared secret'
    """
    return hmac.digest(_bytes(shared_secret), _bytes(string), "sha256").hex()


def _bytes(text: Any) -> bytes:  # noqa: ANN401
    return str(text).encode("utf-8", "surrogateescape")
