"""Join tokens: making, counting, ending. What they let in is decided in `requests.py`.

The master keeps a verifier (an Ed25519 public key), never the secret. Expiry is judged on the
highest wall time ever seen, so that no clock set back brings a token to life again; and on
CLOCK_BOOTTIME for tokens that this process made, so that a highest time that was wrong does not
keep one alive.
"""

import math
import random
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Final, Protocol

from msgspec.structs import replace

from limpet.common.clock import FOREVER, Instant, Moment
from limpet.common.control.replies import TokenInfo
from limpet.common.crypto.joinstring import make_token
from limpet.common.errors import UsageError
from limpet.common.identifiers import MinionId
from limpet.master.store.operations import DeleteToken, PutToken, TokenRow

TTL_DEFAULT_S: Final = 3600.0
TTL_MAX_S: Final = 30 * 86400.0
USES_DEFAULT: Final = 1
USES_MAX: Final = 10_000
TOKENS_MAX: Final = 1000
KEEP_S: Final = 7 * 86400.0
"""A token that is over is still shown for so long."""

_PATTERN: Final = re.compile(r"\A[a-z0-9._*?\[\]!-]{1,128}\Z")


class Verifier(Protocol):
    """Cryptography, handed in; `limpet.common.crypto.proof.Ed25519Verifier` is the real one."""

    @property
    def master_key(self) -> bytes:
        """The master's CURVE public key, 32 bytes."""
        ...

    def verifier_of(self, secret: bytes) -> bytes:
        """Give what to keep of a token's secret (32 bytes)."""
        ...

    def verify(self, verifier: bytes, message: bytes, signature: bytes) -> bool:
        """Say whether the holder of the secret signed exactly this message. Never raises."""
        ...


class TokenBook:
    """All tokens that are not long over."""

    def __init__(self, rows: Iterable[TokenRow], verifier: Verifier) -> None:
        self._rows = {row.token_id: row for row in rows}
        self._verifier = verifier
        self._ends: dict[str, Instant] = {}

    def row(self, token_id: str) -> TokenRow | None:
        """Give a token."""
        return self._rows.get(token_id)

    def create(
        self,
        now: Moment,
        wall_s: float,
        ttl_s: float,
        uses: int,
        id_pattern: str,
        created_by: str,
        chance: random.Random,
    ) -> tuple[PutToken, str]:
        """Make a token; gives what to persist, and the join string, which is kept nowhere.

        Raises `UsageError` where lifetime, uses or pattern are out of bounds.
        """
        check_token(ttl_s, uses, id_pattern)
        if len(self._rows) >= TOKENS_MAX:
            raise UsageError(f"there are {TOKENS_MAX} tokens already: revoke some of them")
        join = make_token(self._verifier.master_key, chance)
        while join.token_id in self._rows:
            join = make_token(self._verifier.master_key, chance)
        row = TokenRow(
            token_id=join.token_id,
            verifier=self._verifier.verifier_of(join.secret),
            expires_s=wall_s + ttl_s,
            uses_max=uses,
            used=0,
            id_pattern=id_pattern.lower(),
            created_by=created_by,
            created_s=wall_s,
        )
        self._ends[row.token_id] = now.after(ttl_s)
        return self._put(row), join.text()

    def why_not(self, row: TokenRow, now: Moment, wall_s: float, minion: MinionId) -> str:
        """Say why a token does not let an id in now: the label of a counter, or empty."""
        if row.is_revoked:
            return "token_revoked"
        if wall_s >= row.expires_s or now.boot >= self._ends.get(row.token_id, FOREVER):
            return "token_expired"
        if row.used >= row.uses_max:
            return "token_used_up"
        if not fnmatchcase(minion, row.id_pattern):
            return "token_other_id"
        return ""

    def use(self, row: TokenRow) -> PutToken:
        """Count one use; belongs into the transaction that accepts the key."""
        assert row.used < row.uses_max
        return self._put(replace(row, used=row.used + 1))

    def revoke(self, token_id: str) -> tuple[TokenRow, PutToken]:
        """End a token at once. Raises `UsageError` if there is none."""
        row = self._rows.get(token_id.strip().lower())
        if row is None:
            raise UsageError(f"there is no token {token_id[:16]!a}: see `limpet token list`")
        put = self._put(replace(row, is_revoked=True))
        return put.row, put

    def sweep(self, wall_s: float) -> tuple[DeleteToken, ...]:
        """Drop tokens that are long over."""
        old = [row.token_id for row in self._rows.values() if wall_s >= row.expires_s + KEEP_S]
        for token_id in old:
            del self._rows[token_id]
            self._ends.pop(token_id, None)
        return tuple(DeleteToken(token_id) for token_id in old)

    def infos(self, wall_s: float) -> tuple[TokenInfo, ...]:
        """Give all tokens as people see them, newest first."""
        rows = sorted(self._rows.values(), key=lambda row: row.created_s, reverse=True)
        return tuple(token_info(row, wall_s) for row in rows)

    def _put(self, row: TokenRow) -> PutToken:
        self._rows[row.token_id] = row
        return PutToken(row)


def check_token(ttl_s: float, uses: int, id_pattern: str) -> None:
    """Refuse tokens that live or serve too long. Raises `UsageError`."""
    if not math.isfinite(ttl_s) or not 0 < ttl_s <= TTL_MAX_S:
        raise UsageError(
            f"a token lives for more than 0 s and at most {TTL_MAX_S / 86400:.0f} days; "
            "there is no 'never'"
        )
    if not 1 <= uses <= USES_MAX:
        raise UsageError(f"a token has from 1 to {USES_MAX} uses, not {uses}")
    if not id_pattern:
        raise UsageError("say which ids the token is for, such as 'web*' (or --any-id for all)")
    if not _PATTERN.match(id_pattern.lower()):
        raise UsageError(f"{id_pattern[:80]!a} is not a glob over minion ids, such as 'web*'")


def token_info(row: TokenRow, wall_s: float) -> TokenInfo:
    """Give a token as people see it."""
    return TokenInfo(
        token_id=row.token_id,
        state="revoked"
        if row.is_revoked
        else "used"
        if row.used >= row.uses_max
        else "expired"
        if wall_s >= row.expires_s
        else "open",
        expires_s=row.expires_s,
        uses_max=row.uses_max,
        used=row.used,
        id_pattern=row.id_pattern,
        created_by=row.created_by,
    )
