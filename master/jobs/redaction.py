"""What is kept of a job's arguments when it is over: all but the values below secret keys.

While a job is not over its minions may still need them. `--pillar '{"password": …}'` is such an
argument.
"""

from typing import Any

import msgspec

from limpet.states.pillar.secrets import Masker, SecretKeys


def without_secrets(arguments: bytes, keys: tuple[str, ...]) -> bytes:
    """Give arguments (MessagePack) without what stands below these keys; no keys: as they are.

    Paths (`a:b`) are looked for as they begin in each argument.
    """
    if not keys:
        return arguments
    masker = Masker((), SecretKeys(keys))
    try:
        positional, keyword = msgspec.msgpack.decode(
            arguments, type=tuple[list[Any], dict[Any, Any]]
        )
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return arguments  # not what any function could be called with: refused everywhere
    whole = masker.value(keyword)
    kept = {key: masker.value(value) for key, value in whole.items()}
    return msgspec.msgpack.encode([[masker.value(each) for each in positional], kept])
