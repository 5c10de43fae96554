"""`random.*`: numbers and texts by chance, the same ones again where a seed is given."""

import base64
import hashlib
import random
import string
from typing import Any, Final

from limpet.common.errors import UsageError
from limpet.states.context import FunctionContext, Loose
from limpet.states.functions.random.crypt import hashed
from limpet.states.sls.jinja.data_filters import random_sample, random_shuffle

_CHANCE: Final = random.SystemRandom()
_CHARACTERS_MAX: Final = 1024 * 1024
_PASSWORD_CHARACTERS: Final = 20


def get_str(
    context: FunctionContext,
    length: int = 20,
    chars: str | None = None,
    lowercase: bool = True,
    uppercase: bool = True,
    digits: bool = True,
    punctuation: bool = True,
    whitespace: bool = False,
    printable: bool = False,
) -> str:
    """Give characters by chance, of these kinds or out of `chars`.

    CLI Example: limpet run '*' random.get_str 32 punctuation=False
    """
    kinds = (
        (lowercase, string.ascii_lowercase),
        (uppercase, string.ascii_uppercase),
        (digits, string.digits),
        (punctuation, string.punctuation),
        (whitespace, string.whitespace),
        (printable, string.printable),
    )
    pool = chars or "".join(letters for is_wanted, letters in kinds if is_wanted)
    if not pool:
        raise UsageError("random.get_str: no kind of characters is chosen")
    if not 0 <= length <= _CHARACTERS_MAX:
        raise UsageError(f"random.get_str: 'length' must be from 0 to {_CHARACTERS_MAX}")
    return "".join(_CHANCE.choice(pool) for _ in range(length))


def rand_int(context: FunctionContext, start: int = 1, end: int = 10, seed: Loose = None) -> int:
    """Give a whole number by chance, both ends included; with a seed always the same.

    CLI Example: limpet run '*' random.rand_int 1 10
    """
    if end < start:
        raise UsageError(f"random.rand_int: there is no number from {start} to {end}")
    chance = random.Random(seed) if seed is not None else _CHANCE  # noqa: S311 — no secret
    return chance.randint(start, end)


def seed(context: FunctionContext, range: int = 10, hash: Loose = None) -> int:  # noqa: A002
    """Give a number below `range` that belongs to this minion's id, or to `hash`.

    CLI Example: limpet run '*' random.seed 10 hash=web1
    """
    if range < 1:
        raise UsageError("random.seed: 'range' must be 1 or more")
    return random.Random(hash or context.minion_id).randrange(range)  # noqa: S311 — no secret


def hash_(context: FunctionContext, value: Loose, algorithm: str = "sha512") -> str:
    """Give the checksum of a text.

    CLI Example: limpet run '*' random.hash 'I am a string' md5
    """
    try:
        return hashlib.new(algorithm, _bytes(value), usedforsecurity=False).hexdigest()
    except (ValueError, TypeError):  # TypeError: one that asks for a length
        raise UsageError(
            f"random.hash: there is no algorithm {algorithm!r}; sha256, sha512 and md5 are there"
        ) from None


def str_encode(context: FunctionContext, value: Loose, encoder: str = "base64") -> str:
    """Encode a text; base64 is the encoder there is.

    CLI Example: limpet run '*' random.str_encode 'I am a new string' base64
    """
    if encoder != "base64":
        raise UsageError(f"random.str_encode: there is no encoder {encoder!r} of texts; base64 is")
    return base64.b64encode(_bytes(value)).decode("ascii")


def sample(context: FunctionContext, value: Loose, size: int, seed: Loose = None) -> list[Any]:
    """Pick some of a list by chance; with a seed always the same.

    CLI Example: limpet run '*' random.sample '[a, b, c]' 2
    """
    values = _sequence(value)
    if not 0 <= size <= len(values):
        raise UsageError(f"random.sample: {size} of {len(values)} can't be picked")
    return random_sample(values, size, seed)


def shuffle(context: FunctionContext, value: Loose, seed: Loose = None) -> list[Any]:
    """Shuffle a list by chance; with a seed always the same.

    CLI Example: limpet run '*' random.shuffle '[a, b, c]' seed=web1
    """
    return random_shuffle(_sequence(value), seed)


def shadow_hash(
    context: FunctionContext,
    crypt_salt: str | None = None,
    password: str | None = None,
    algorithm: str = "sha512",
) -> str:
    """Give a password as the file of shadow passwords holds it; one by chance if none is given.

    CLI Example: limpet run '*' random.shadow_hash algorithm=sha256
    """
    return hashed(
        get_str(context, _PASSWORD_CHARACTERS) if password is None else password,
        crypt_salt,
        algorithm,
    )


def _sequence(value: Loose) -> list[Any]:
    if not isinstance(value, list | tuple | str):
        raise UsageError(f"random: a list or a text is wanted, not {value!r:.80}")
    return list(value)


def _bytes(value: Loose) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8")
