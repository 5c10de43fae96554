"""The one question and the one answer of the enrolment port.

The minion's key is the one that CURVE proved (`User-Id`), never a field. The proof is an Ed25519
signature by the key whose seed is the join string's secret; see `limpet.common.crypto.proof`.
"""

from typing import Annotated, Literal

from msgspec import Meta

from limpet.common.messages.fields import Count, Id, Message, Nonce, ShortText, Stamp, Ticks

EnrolStatus = Literal["accepted", "pending", "refused"]


class EnrolRequest(Message, tag="enrol", frozen=True):
    """A minion asks for its key to be accepted under an id."""

    protocol_min: Count
    protocol_max: Count
    version: ShortText
    minion_id: Id
    """A wish; bound by the signature where there is one."""
    nonce: Nonce
    timestamp: Stamp
    token_id: Annotated[str, Meta(max_length=16)]
    """Empty: no token, wait until somebody accepts the key."""
    signature: Annotated[bytes, Meta(max_length=64)]


class EnrolAnswer(Message, tag="enrol_answer", frozen=True):
    """`accepted`: use the main port now. Else: ask again after `retry`, for ever."""

    nonce: Nonce
    status: EnrolStatus
    retry: Ticks
    text: ShortText
