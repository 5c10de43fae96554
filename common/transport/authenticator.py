"""Who answers what libzmq asks at each handshake: may this key connect.

handshake ─ question ─▶ the place where all ask ─▶ `ZapHandler` ─ answer ─▶ let in, or ended
                         └─ it is calm, and many were let in: another takes its place
"""

from collections.abc import Mapping
from typing import Final

from limpet.common.errors import HostError
from limpet.common.service.garbage import give_back
from limpet.common.transport import options, raw, zap_handler
from limpet.common.transport.context import Context

_ENDPOINT: Final = "inproc://zeromq.zap.01"
RENEW_FROM: Final = 256
"""So many connections keep 2 MB for questions that were answered long ago."""
_LOOK_S: Final = 0.5
OLD_S: Final = 10.0
"""How long an old place is answered at: a question that was on its way to it takes microseconds, a
process that was stopped meanwhile longer. Who asks after that fails, and comes again."""
_ENDING_S: Final = 1.0
"""How long libzmq's own threads may take to let go of an old place."""


class Authenticator:
    """Says at every handshake whether the key may connect; answers from the poll loop."""

    def __init__(
        self,
        context: Context,
        domains: Mapping[str, zap_handler.Admission],
        *,
        renew_from: int = RENEW_FROM,
    ) -> None:
        """Begin to answer for these domains; one per context, made before any port is opened.

        With fewer than `renew_from` answers there is nothing for `tidy` to do.
        """
        assert context.authenticator is None
        self._renew_from = renew_from
        self.handler = zap_handler.ZapHandler(domains)
        self._context = context
        self._raw = self._make()
        self._raw.bind(_ENDPOINT)
        self._old: raw.RawSocket | None = None
        self._ending: raw.RawSocket | None = None
        """Nobody polls it any more."""
        self._old_until = 0.0
        self._give_back_at = float("inf")
        self._look_at = 0.0
        self._answered = 0
        """Since the place is this one."""
        self._answered_before = 0
        context.authenticator = self

    def serve(self) -> int:
        """Answer the requests that wait; says how many. Anything odd is refused.

        Whatever a domain's function raises goes through, after a refusal.
        """
        served = sum(map(self._serve, self.handles()))
        self._answered += served
        return served

    def refusals(self) -> list[zap_handler.Refusal]:
        """Give what was refused since the last call, for counters and the log."""
        return self.handler.take_refusals()

    def tidy(self, now: float) -> bool:
        """Have libzmq let go of what was asked; `now` counts seconds. True: poll this anew.

        For as long as a connection lives libzmq keeps the two queues through which it asked, 33 KB
        of which 8 are touched. They go when the socket that was asked is closed. So when nobody
        asks, another one takes its place, and the old one ends a while later. A handshake that asks
        in the microseconds between the two is refused, as if nobody answered at all.
        """
        if now < self._look_at:
            return False
        self._look_at = now + _LOOK_S
        if self._ending is not None:
            self._ending.close()
            self._ending = None
            self._give_back_at = now + _ENDING_S
        elif now >= self._give_back_at:
            self._give_back_at = float("inf")
            give_back()
        elif self._old is not None:
            if now >= self._old_until:
                self._old, self._ending = None, self._old
                return True
        else:
            is_calm = self._answered == self._answered_before
            self._answered_before = self._answered
            return is_calm and self._answered >= self._renew_from and self._renew(now)
        return False

    def close(self) -> None:
        """Stop answering: from now on nobody is let in."""
        for each in (self._raw, self._old, self._ending):
            if each is not None and not each.is_closed:
                each.close()
        self._old = self._ending = None
        if self._context.authenticator is self:
            self._context.authenticator = None

    def handles(self) -> tuple[raw.RawSocket, ...]:
        """Give what a `Poller` has to watch."""
        return (self._raw,) if self._old is None else (self._raw, self._old)

    def _make(self) -> raw.RawSocket:
        return raw.RawSocket(self._context.raw, raw.ROUTER, {"LINGER": 0})

    def _renew(self, now: float) -> bool:
        try:
            fresh = self._make()
        except HostError:
            return False  # no descriptor is left for it, and nothing needs it
        self._raw.unbind(_ENDPOINT)
        fresh.bind(_ENDPOINT)
        self._old, self._raw = self._raw, fresh
        self._old_until = now + OLD_S
        self._answered = self._answered_before = 0
        return True

    def _serve(self, asked: raw.RawSocket) -> int:
        for served in range(options.REQUESTS_MAX):
            parts = asked.receive_whole()
            if not parts:
                return served
            request = parts[2:]  # after the route back and an empty part
            reply = zap_handler.refusal(request)
            try:
                reply = self.handler.answer(request)
            finally:
                asked.send_parts((parts[0], b"", *reply))
        return options.REQUESTS_MAX
