"""Running a function as a job of the minion on this host, and waiting for its end.

Ending the waiting does not end the job: it is in the minion's journal once it has an id.
"""

import os
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from limpet.common.errors import HostError, UsageError
from limpet.minion.control.client import LocalClient
from limpet.minion.control.messages import LocalEnded, LocalRefused, LocalStored, RunLocal


class CallEnded(NamedTuple):
    """How a call ended."""

    jid: str
    outcome: str
    retcode: int
    error: str
    value: Any


def call_minion(path: Path, function: str, arguments: bytes, job_timeout_s: float) -> CallEnded:
    """Run the function; blocks until it has ended, as long as the minion lives.

    Raises `UsageError` where the minion refuses the call as wrong, `HostError` where it can't take
    it or is gone; the text then names the job if there is one.
    """
    with LocalClient(path) as client:
        first = client.ask(RunLocal(function, arguments, job_timeout_s))
        if isinstance(first, LocalRefused):
            raise (UsageError if first.reason == "usage" else HostError)(first.text)
        if not isinstance(first, LocalStored):
            raise HostError(f"the minion at {path} said {first!r} instead of storing the job")
        try:
            last = client.reply(None)
        except HostError as error:
            raise HostError(
                f"{error}; job {first.jid} goes on: limpet call saltutil.find_job"
            ) from error
        if isinstance(last, LocalRefused):
            raise HostError(last.text)
        if not isinstance(last, LocalEnded):
            raise HostError(f"the minion at {path} said {last!r} instead of how the job ended")
        body = last.body
        if last.body_bytes > len(body):
            body = _read(client.take_file(), last.body_bytes)
    value = msgspec.msgpack.decode(body) if body else None
    return CallEnded(last.jid, last.outcome, last.retcode, last.error, value)


def _read(descriptor: int, size: int) -> bytes:
    if descriptor < 0:
        raise HostError("the minion passed no file with the result; see its log")
    with open(descriptor, "rb") as file:
        data = os.pread(file.fileno(), size, 0)
        while len(data) < size:
            more = os.pread(file.fileno(), size - len(data), len(data))
            if not more:
                raise HostError(f"the result has {len(data)} bytes instead of {size}")
            data += more
    return data
