"""Which of the master's keys is tried, and how the next ones come to be known.

    known: the key that let this minion in last, and all that the last announcement names
    handshake ended by the other side -> the next known key, at the same address, without a pause
    a session under another key       -> that one comes first from now on, and is kept on disk

Nothing that a network does removes a key: only an announcement does that is signed by the site key,
came in a session, and has a higher serial than the one that is known.
"""

from typing import Final

from limpet.common.identifiers import Attempt
from limpet.common.messages.trust import TRUST_PROTOCOL, Trust, TrustAck, Verdict
from limpet.minion.core.effects import KeepServerKey, KeepTrust, Send
from limpet.minion.core.outbox import Outbox
from limpet.minion.core.settings import HeldTrust, LinkSettings
from limpet.minion.sessions.greeting import Line

TEXT_MAX: Final = 200


class ServerKeys:
    """The keys of one master, as far as this minion knows them."""

    def __init__(self, settings: LinkSettings, outbox: Outbox) -> None:
        self._outbox = outbox
        self.current = settings.server_key
        """The key of the last session, on disk; hex like all here."""
        self.held: HeldTrust | None = settings.trust
        self.key = settings.server_key
        """The key of the present socket."""
        self._right = settings.server_key
        """The key of the last handshake that was finished."""
        self._left: list[str] = []
        self._asked: Trust | None = None
        """What the shell checks and writes at the moment."""
        self._line: Line | None = None

    # -- dialling -------------------------------------------------------------------------------

    def known(self) -> tuple[str, ...]:
        """Give all keys that may be the master's, the likeliest first."""
        held = self.held
        rest = () if held is None else (held.current, *held.following)
        return tuple(dict.fromkeys((self.current, *rest)))

    def begin(self) -> None:
        """Begin a new address: with the key that was right last, and then the others."""
        first, *rest = self.known()
        if self._right in rest:
            rest = [first, *(key for key in rest if key != self._right)]
            first = self._right
        self.key, self._left = first, rest

    def take_next(self) -> bool:
        """Go on to the next key of this address; False if all were tried."""
        if not self._left:
            return False
        self.key = self._left.pop(0)
        return True

    def on_handshake(self) -> None:
        """Begin with this key from now on: who has its secret has answered."""
        self._right = self.key

    # -- sessions -------------------------------------------------------------------------------

    def on_session(self) -> None:
        """Keep the key that let this minion in."""
        if self.key == self.current:
            return
        self.current = self.key
        self._outbox.info("master key", "the master has another key, one that it had announced")
        self._outbox.add(KeepServerKey(self.key))

    def on_trust(self, line: Line, protocol: int, trust: Trust) -> None:
        """Hear what the master announces; have it checked and written down if it is news."""
        if protocol < TRUST_PROTOCOL:
            return
        held = self.held
        if trust.current.hex() != self.key:
            self._answer(line, trust.serial, "refused", "it names another key than this session's")
        elif held is not None and held.says(trust):
            self._answer(line, trust.serial, "kept", "")
        elif held is not None and trust.serial <= held.serial:
            self._answer(line, trust.serial, "stale", "")
        else:
            self._asked, self._line = trust, line
            self._outbox.add(KeepTrust(trust, "" if held is None else held.site))

    def on_trust_kept(self, present: Line | None, serial: int, verdict: Verdict, text: str) -> None:
        """Hear what became of it, and tell the master if its session is still the present one."""
        trust, line = self._asked, self._line
        if trust is None or line is None or trust.serial != serial:
            return
        self._asked = self._line = None
        if verdict == "kept":
            self.held = HeldTrust.of(trust)
        else:
            self._outbox.warning(
                f"trust {verdict}", f"the master's next keys are not kept ({verdict}): {text}"
            )
        if present == line:
            self._answer(line, serial, verdict, text)

    def _answer(self, line: Line, serial: int, verdict: Verdict, text: str) -> None:
        held = 0 if self.held is None else self.held.serial
        message = TrustAck(line.session, serial, verdict, held, text[:TEXT_MAX])
        self._outbox.add(Send(Attempt(line.attempt), message))
