"""What a client can ask about minions, their keys, and the tokens that let in new ones."""

from __future__ import annotations

from collections.abc import Sequence

from limpet.common.control.replies import (
    KeyInfo,
    Keys,
    MinionRow,
    Minions,
    TokenInfo,
    TokenMade,
    Tokens,
)
from limpet.common.control.requests import (
    ChangeKeys,
    CreateToken,
    KeyAction,
    ListKeys,
    ListMinions,
    ListTokens,
    RevokeToken,
    TargetKind,
)
from limpet.master.client.errors import unexpected
from limpet.master.client.requester import Requester


class FleetCalls(Requester):
    """A client's calls about minions, keys and tokens."""

    def minions(self, target: str = "*", kind: TargetKind = "glob") -> tuple[MinionRow, ...]:
        """Give the accepted minions of a target, by id; maybe none."""
        return self._ask(ListMinions(target=target, target_kind=kind), Minions).minions

    def keys(self) -> tuple[KeyInfo, ...]:
        """Give all keys, by state and id."""
        return self._ask(ListKeys(), Keys).keys

    def accept_keys(self, *patterns: str, is_all: bool = False) -> tuple[KeyInfo, ...]:
        """Accept keys by id, glob or fingerprint; gives those that were accepted."""
        return self.change_keys("accept", patterns, is_all=is_all)

    def reject_keys(self, *patterns: str, is_all: bool = False) -> tuple[KeyInfo, ...]:
        """Reject keys; their sessions end at once."""
        return self.change_keys("reject", patterns, is_all=is_all)

    def delete_keys(self, *patterns: str, is_all: bool = False) -> tuple[KeyInfo, ...]:
        """Forget keys; their sessions end at once, and the minions may ask anew."""
        return self.change_keys("delete", patterns, is_all=is_all)

    def change_keys(
        self,
        action: KeyAction,
        patterns: Sequence[str],
        *,
        is_all: bool = False,
        is_dry: bool = False,
    ) -> tuple[KeyInfo, ...]:
        """Change keys, or with `is_dry` only tell which would be changed."""
        request = ChangeKeys(action=action, patterns=tuple(patterns), is_all=is_all, is_dry=is_dry)
        return self._ask(request, Keys).keys

    def create_token(
        self, ttl_s: float = 3600.0, uses: int = 1, id_pattern: str = "*"
    ) -> TokenMade:
        """Make a join token. Asked once only: a lost answer is not asked for again."""
        request = CreateToken(ttl_s=ttl_s, uses=uses, id_pattern=id_pattern)
        return self._ask(request, TokenMade, is_repeatable=False)

    def tokens(self) -> tuple[TokenInfo, ...]:
        """Give the tokens that are not long over, newest first."""
        return self._ask(ListTokens(), Tokens).tokens

    def revoke_token(self, token_id: str) -> TokenInfo:
        """End a token."""
        tokens = self._ask(RevokeToken(token_id=token_id), Tokens).tokens
        if len(tokens) != 1:
            raise unexpected(tokens)
        return tokens[0]
