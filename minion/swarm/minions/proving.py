"""The cryptography of a swarm's minions, done on the spot: a real minion starts a child for each.

One signature or check takes some ten microseconds; a process for each would cost the host more than
all the minions of the swarm do.
"""

from typing import Final

import msgspec

from limpet.common.crypto.proof import Statement, sign
from limpet.common.crypto.site import Announcement, why_untrusted
from limpet.common.messages.enrolment import EnrolRequest
from limpet.common.messages.trust import Trust

REMEMBERED_MAX: Final = 16
"""Announcements remembered as checked: the master makes one at a time, for all minions."""


class Prover:
    """Signs requests to join, and judges what masters announce."""

    def __init__(self, join_secret: bytes) -> None:
        """Use the secret of a join string; it may be empty where nobody has to join."""
        self._join_secret = join_secret
        self._judged: dict[bytes, str] = {}

    def signed(self, request: EnrolRequest, *, server_key: str, minion_key: bytes) -> EnrolRequest:
        """Give the request with its proof. `server_key` is hex."""
        statement = Statement.of(
            request, master_key=bytes.fromhex(server_key), minion_key=minion_key
        )
        return msgspec.structs.replace(request, signature=sign(self._join_secret, statement))

    def why_untrusted(self, trust: Trust, pinned: str) -> str:
        """Say why an announcement must not be believed by who pinned this site key; or ''."""
        said = Announcement(trust.site, trust.former, trust.serial, trust.current, trust.following)
        name = msgspec.msgpack.encode((pinned, trust.signature, trust.former_signature, said))
        if name not in self._judged:
            if len(self._judged) >= REMEMBERED_MAX:
                self._judged.clear()
            self._judged[name] = why_untrusted(
                said, trust.signature, trust.former_signature, pinned=bytes.fromhex(pinned)
            )
        return self._judged[name]
