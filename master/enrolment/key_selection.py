"""Which keys an administrator means: ids, globs over ids, fingerprints, or all.

A name that could mean two keys is never guessed at: both are shown, with their fingerprints.
"""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final

from limpet.common.control.requests import KeyAction
from limpet.common.crypto.keys import fingerprint
from limpet.common.errors import UsageError
from limpet.common.identifiers import MinionId
from limpet.master.enrolment.key_table import KeyTable
from limpet.master.store.operations import KeyRow

_FINGERPRINT: Final = re.compile(r"\A[0-9a-f]{4}(?::[0-9a-f]{4}){9}\Z")
"""With its colons: no id has any, so an id can't pass for a fingerprint."""


def select(
    keys: KeyTable, action: KeyAction, patterns: Sequence[str], is_all: bool
) -> tuple[KeyRow, ...]:
    """Give the rows that an action means, each once. Raises `UsageError`.

    `is_all` and globs take: accept, keys that wait and have no rival; reject, keys that wait (and,
    by glob, accepted ones); delete, all. An id takes one key; if there are several, it is an error.
    """
    found: dict[str, KeyRow] = {}
    named = _by_fingerprint(keys, patterns)
    if is_all:
        found.update((row.key, row) for row in keys.rows() if _is_meant_by_all(keys, action, row))
    elif not patterns:
        raise UsageError(f"say which keys to {action}: ids, globs, fingerprints, or --all")
    for pattern in patterns:
        name = pattern.strip().lower()
        rows = named[name] if name in named else _matching(keys, action, name)
        if not rows:
            raise UsageError(f"no key matches {pattern[:140]!a}: see `limpet keys list`")
        found.update((row.key, row) for row in rows)
    if action == "accept":
        _check_accept(keys, tuple(found.values()))
    return tuple(found.values())


def _by_fingerprint(keys: KeyTable, patterns: Sequence[str]) -> dict[str, tuple[KeyRow, ...]]:
    """Give the rows of the patterns that are fingerprints; each key is looked at once for all."""
    named: dict[str, tuple[KeyRow, ...]] = {
        name: () for each in patterns if _FINGERPRINT.match(name := each.strip().lower())
    }
    for row in keys.rows() if named else ():
        name = fingerprint(row.key)
        if name in named:
            named[name] = (*named[name], row)
    return named


def _is_meant_by_all(keys: KeyTable, action: KeyAction, row: KeyRow) -> bool:
    if action == "delete":
        return True
    return row.state == "pending" and (action == "reject" or not keys.is_contested(row))


def _matching(keys: KeyTable, action: KeyAction, pattern: str) -> tuple[KeyRow, ...]:
    if any(character in pattern for character in "*?["):
        return tuple(
            row
            for row in keys.rows()
            if fnmatchcase(row.minion, pattern)
            and (
                _is_meant_by_all(keys, action, row)
                or (action == "reject" and row.state == "accepted")
            )
        )
    return _by_id(keys, action, MinionId(pattern))


def _by_id(keys: KeyTable, action: KeyAction, minion: MinionId) -> tuple[KeyRow, ...]:
    """Give the one key under an id. What was rejected before stands back behind what was not."""
    claims = keys.claims(minion)
    open_claims = tuple(row for row in claims if row.state != "rejected")
    if action != "delete" and open_claims:
        claims = open_claims
    if len(claims) > 1:
        raise UsageError(
            f"{len(claims)} keys claim the id {minion}; name one by its fingerprint: "
            + "; ".join(_described(row) for row in claims)
        )
    return claims


def _check_accept(keys: KeyTable, rows: tuple[KeyRow, ...]) -> None:
    """See to it that no id gets a second accepted key."""
    chosen: dict[MinionId, KeyRow] = {}
    for row in rows:
        owner = keys.owner(row.minion)
        rival = owner if owner is not None and owner.key != row.key else chosen.get(row.minion)
        if rival is not None:
            state = "an accepted key already" if rival is owner else "two of these keys"
            raise UsageError(
                f"{row.minion} has {state}: {_described(rival)}; {_described(row)}; "
                "delete or reject the one that is not meant first"
            )
        chosen[row.minion] = row


def _described(row: KeyRow) -> str:
    return f"{row.state} {fingerprint(row.key)} from {row.address or 'an unknown address'}"
