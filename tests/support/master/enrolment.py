"""An enrolment authority to try: minions that ask, a clock that is wound, a store that keeps."""

import hashlib
import random
from collections.abc import Iterable

from msgspec.structs import replace

from limpet.common.clock import Instant, Moment, to_micros
from limpet.common.control.replies import TokenMade
from limpet.common.control.requests import KeyAction
from limpet.common.crypto.joinstring import JoinString, parse_join_string
from limpet.common.crypto.proof import Statement
from limpet.common.identifiers import MinionKey
from limpet.common.messages.enrolment import EnrolRequest
from limpet.master.enrolment.authority import EnrolmentAuthority
from limpet.master.enrolment.decisions import Decision, KeyChange
from limpet.master.store.operations import Operation
from support.master.store_model import StoreModel

MASTER_KEY = bytes(range(9, 41))
START_S = 1_700_000_000.0


class FakeVerifier:
    """Stands in for Ed25519: a signature is a hash over verifier and message."""

    master_key = MASTER_KEY

    def verifier_of(self, secret: bytes) -> bytes:
        """Give the public half."""
        return hashlib.sha256(b"public" + secret).digest()

    def verify(self, verifier: bytes, message: bytes, signature: bytes) -> bool:
        """Say whether the message was signed by the secret's holder."""
        return signature == fake_signature(verifier, message)


def fake_signature(verifier: bytes, message: bytes) -> bytes:
    """Sign: what `FakeVerifier` takes for right."""
    return hashlib.sha512(verifier + message).digest()


class EnrolmentBench:
    """An enrolment authority, its store and its clock."""

    def __init__(self) -> None:
        self.wall_s = START_S
        self.boot_s = 100.0
        self.kept = StoreModel()
        self._commits = 0
        self.authority = self._open()
        self.last: Decision | None = None

    def _open(self) -> EnrolmentAuthority:
        return EnrolmentAuthority(
            self.kept.snapshot(self.wall_s),
            now=self.now,
            chance=random.Random(1),
            verifier=FakeVerifier(),
        )

    def commit(self, operations: Iterable[Operation]) -> None:
        """Let the store carry one transaction out."""
        self._commits += 1
        self.kept.apply(self._commits, operations)

    @property
    def now(self) -> Moment:
        """The time on both clocks."""
        return Moment(Instant(self.boot_s), self.wall_s)

    def wait(self, seconds: float) -> None:
        """Let time pass, and the authority do what is due."""
        self.wall_s += seconds
        self.boot_s += seconds
        self.commit(self.authority.on_deadline(self.now))

    def restart(self) -> None:
        """Begin again with what is on disk."""
        self.authority = self._open()

    def token(self, ttl_s: float = 3600.0, uses: int = 1, id_pattern: str = "*") -> JoinString:
        """Make a token."""
        change = self.authority.create_token(
            self.now, ttl_s=ttl_s, uses=uses, id_pattern=id_pattern, created_by="root"
        )
        self.commit(change.operations)
        assert isinstance(change.reply, TokenMade)
        return parse_join_string(change.reply.join_string)

    def ask(
        self,
        key: MinionKey,
        minion: str,
        join: JoinString | None = None,
        *,
        address: str = "192.0.2.1",
        skew_s: float = 0.0,
        signed_for: MinionKey | None = None,
        protocol: tuple[int, int] = (1, 1),
    ) -> str:
        """Let a minion ask once; gives the status of the answer."""
        request = EnrolRequest(
            protocol_min=protocol[0],
            protocol_max=protocol[1],
            version="0.1.0",
            minion_id=minion,
            nonce=b"n" * 16,
            timestamp=to_micros(self.wall_s + skew_s),
            token_id="" if join is None else join.token_id,
            signature=b"",
        )
        if join is not None:
            statement = Statement.of(
                request,
                master_key=join.master_key,
                minion_key=bytes.fromhex(signed_for or key),
            )
            kept = FakeVerifier().verifier_of(join.secret)
            request = replace(request, signature=fake_signature(kept, statement.encoded()))
        decision = self.authority.decide(self.now, key, address, request)
        assert decision.answer.nonce == request.nonce
        self.commit(decision.operations)
        self.last = decision
        return decision.answer.status

    @property
    def reasons(self) -> tuple[str, ...]:
        """What the last question was counted as."""
        assert self.last is not None
        return self.last.counts

    @property
    def tags(self) -> tuple[str, ...]:
        """The events of the last question."""
        assert self.last is not None
        return tuple(event.tag for event in self.last.events)

    def change(
        self, action: KeyAction, *patterns: str, is_all: bool = False, is_dry: bool = False
    ) -> KeyChange:
        """Act as an administrator."""
        change = self.authority.change_keys(self.now, action, patterns, is_all, is_dry)
        self.commit(change.operations)
        return change

    def shown(self) -> list[tuple[str, str]]:
        """Give (id, state) of all keys, as `keys list` does."""
        return [(info.minion, info.state) for info in self.authority.key_infos()]


def key_of(number: int) -> MinionKey:
    """Give the key of minion `number`."""
    return MinionKey((1000 + number).to_bytes(32, "little").hex())
