"""Functions that the link answers by itself: at once, without worker and without journal.

Only those that are free of side effects and take no time are handed in (`test.ping` and its like).
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from limpet.common.clock import Moment, to_micros
from limpet.common.messages.fields import RETURN_INLINE_BYTES_MAX
from limpet.common.messages.jobs import Deliver, Outcome, Return

Instants = Mapping[str, Callable[[list[Any], dict[str, Any]], Any]]
"""Functions by their names; each is called with positional and keyword arguments."""

_arguments = msgspec.msgpack.Decoder(tuple[list[Any], dict[str, Any]])


def answer(instants: Instants, now: Moment, deliver: Deliver) -> Return:
    """Call the function and give its return. Whatever it raises is the job's failure."""
    body = b""
    error = ""
    try:
        positional, keyword = _arguments.decode(deliver.arguments)
        value = instants[deliver.function](positional, keyword)
        body = msgspec.msgpack.encode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as failure:
        error = f"{deliver.function}: the arguments can't be read: {failure}"
    except Exception as failure:  # noqa: BLE001 - the job boundary: it ends this job alone
        error = f"{deliver.function}: {type(failure).__name__}: {failure}"
    if len(body) > RETURN_INLINE_BYTES_MAX:
        body = b""
        error = f"{deliver.function}: the answer is over {RETURN_INLINE_BYTES_MAX} bytes"
    return unjournaled(
        now, deliver, "failed" if error else "ok", 1 if error else 0, error, body=body
    )


def unjournaled(
    now: Moment, deliver: Deliver, outcome: Outcome, retcode: int, error: str, body: bytes = b""
) -> Return:
    """Give the return of a job that was never accepted."""
    return Return(
        session=deliver.session,
        jid=deliver.jid,
        outcome=outcome,
        retcode=retcode,
        error=error[:4096],
        started_at=max(0, to_micros(now.wall)),
        duration=0,
        body=body,
        bulk_digest="",
        bulk_bytes=0,
        is_cut=False,
    )
