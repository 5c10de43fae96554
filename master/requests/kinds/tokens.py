"""`CreateToken`, `ListTokens`, `RevokeToken`: join tokens; told once they are durable."""

from typing import Final

from limpet.common.control.replies import TokenInfo, TokenMade, Tokens
from limpet.common.control.requests import CreateToken, ListTokens, RevokeToken
from limpet.master.core.step import Step
from limpet.master.requests.context import Caller, Handlers, RequestContext


def list_tokens(context: RequestContext, step: Step, caller: Caller, _request: ListTokens) -> None:
    """Show all tokens that are not long over."""
    step.answer(caller.client, Tokens(context.keys.token_infos(step)), context.keys.commit)


def create_token(context: RequestContext, step: Step, caller: Caller, request: CreateToken) -> None:
    """Make one; the only answer that ever holds its secret. Raises `UsageError`."""
    _answer(context, step, caller, context.keys.create_token(step, request, caller.user))


def revoke_token(context: RequestContext, step: Step, caller: Caller, request: RevokeToken) -> None:
    """End one. Raises `UsageError`."""
    _answer(context, step, caller, context.keys.revoke_token(step, request))


def _answer(
    context: RequestContext, step: Step, caller: Caller, reply: TokenMade | TokenInfo
) -> None:
    told = reply if isinstance(reply, TokenMade) else Tokens((reply,))
    step.answer(caller.client, told, context.keys.commit)


HANDLERS: Final[Handlers] = {
    CreateToken: create_token,
    ListTokens: list_tokens,
    RevokeToken: revoke_token,
}
