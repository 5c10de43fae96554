"""The cryptography of a swarm's minions."""

import msgspec

from limpet.common.crypto import site
from limpet.common.crypto.proof import Ed25519Verifier, Statement
from limpet.common.messages.enrolment import EnrolRequest
from limpet.common.messages.trust import Trust
from limpet.minion.swarm.minions.proving import REMEMBERED_MAX, Prover

SECRET, MASTER, MINION = b"s" * 32, b"m" * 32, b"k" * 32


def announced(seed: bytes, serial: int = 1) -> Trust:
    said = site.Announcement(site.public_of(seed), b"", serial, b"c" * 32, (b"n" * 32,))
    return Trust(
        session=1, site=said.site, former=b"", serial=serial, current=said.current,
        following=said.following, signature=site.sign(seed, said), former_signature=b"",
    )  # fmt: skip


def test_the_master_believes_a_request_that_was_signed() -> None:
    request = EnrolRequest(
        minion_id="s-1", token_id="abcdefghij", nonce=b"n" * 16, timestamp=1, protocol_min=1,
        protocol_max=2, version="1", signature=b"",
    )  # fmt: skip
    signed = Prover(SECRET).signed(request, server_key=MASTER.hex(), minion_key=MINION)
    verifier = Ed25519Verifier(MASTER)
    statement = Statement.of(request, master_key=MASTER, minion_key=MINION).encoded()
    assert verifier.verify(verifier.verifier_of(SECRET), statement, signed.signature)


def test_only_what_the_pinned_key_signed_is_believed() -> None:
    prover, seed = Prover(b""), b"a" * 32
    trust = announced(seed)
    pinned = site.public_of(seed).hex()
    for _ in range(2):  # judged, and remembered
        assert prover.why_untrusted(trust, "") == ""
        assert prover.why_untrusted(trust, pinned) == ""
        assert "another site key" in prover.why_untrusted(trust, site.public_of(b"b" * 32).hex())
        forged = msgspec.structs.replace(trust, serial=2)
        assert "signature" in prover.why_untrusted(forged, pinned)


def test_what_is_remembered_is_bounded() -> None:
    prover = Prover(b"")
    for serial in range(1, 3 * REMEMBERED_MAX):
        assert prover.why_untrusted(announced(b"a" * 32, serial), "") == ""
        assert len(prover._judged) <= REMEMBERED_MAX
