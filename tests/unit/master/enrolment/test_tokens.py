"""Join tokens: who they let in, how often, how long, and what a peer is told."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limpet.common.control.replies import TokenInfo
from limpet.common.crypto.joinstring import JoinString, parse_join_string
from limpet.common.errors import UsageError
from limpet.common.identifiers import MinionKey
from limpet.common.messages.refusals import clock_in
from limpet.master.enrolment.tokens import TOKENS_MAX, USES_MAX
from limpet.master.store.operations import PutKey, PutToken
from support.master.enrolment import EnrolmentBench, FakeVerifier, key_of

A, B, C = key_of(1), key_of(2), key_of(3)


@pytest.mark.covers("R-3.1")
@pytest.mark.parametrize(
    "ttl_s, uses, pattern",
    [
        (0, 1, "*"),
        (-1, 1, "*"),
        (math.inf, 1, "*"),
        (math.nan, 1, "*"),
        (30 * 86400 + 1, 1, "*"),
        (3600, 0, "*"),
        (3600, -1, "*"),
        (3600, USES_MAX + 1, "*"),
        (3600, 1, ""),
        (3600, 1, "a/b"),
        (3600, 1, "x" * 129),
        (3600, 1, "web\n"),
    ],
)
def test_no_token_lives_for_ever_or_serves_everybody(ttl_s: float, uses: int, pattern: str) -> None:
    bench = EnrolmentBench()
    with pytest.raises(UsageError):
        bench.token(ttl_s, uses, pattern)
    assert bench.kept.tokens == {}


@pytest.mark.covers("R-3.1")
def test_the_largest_token_that_is_allowed_works() -> None:
    bench = EnrolmentBench()
    join = bench.token(30 * 86400, USES_MAX, "WEB[0-9]*")
    assert bench.ask(A, "web1", join) == "accepted"


def test_a_proved_token_accepts_the_key_in_the_transaction_that_counts_it() -> None:
    bench = EnrolmentBench()
    join = bench.token(id_pattern="web*")
    assert bench.ask(A, "web1", join) == "accepted"
    assert bench.last is not None
    assert [type(operation) for operation in bench.last.operations] == [PutToken, PutKey]
    assert bench.tags == ("key/web1/accepted", f"token/{join.token_id}/used")
    assert bench.authority.is_accepted(A)
    assert bench.last.answer.retry == 0
    row = bench.kept.keys[A]
    assert (row.minion, row.state, row.token_id) == ("web1", "accepted", join.token_id)


@pytest.mark.covers("R-3.3")
def test_the_store_holds_no_secret() -> None:
    bench = EnrolmentBench()
    join = bench.token()
    row = bench.kept.tokens[join.token_id]
    assert row.verifier == FakeVerifier().verifier_of(join.secret)
    assert repr(join.secret)[2:-1] not in repr(row)
    assert join.secret.hex() not in repr(row)
    thief = JoinString(join.master_key, join.token_id, row.verifier)
    assert bench.ask(A, "web1", thief) == "refused"


@pytest.mark.covers("R-3.7", "A19")
def test_asking_again_is_free() -> None:
    bench = EnrolmentBench()
    join = bench.token(uses=2)
    for _ in range(5):
        assert bench.ask(A, "web1", join) == "accepted"
        bench.restart()
    assert bench.kept.tokens[join.token_id].used == 1
    assert bench.ask(B, "web2", join) == "accepted"
    assert bench.ask(A, "web1", join) == "accepted"
    assert bench.ask(C, "web3", join) == "refused"


@pytest.mark.covers("R-3.8")
def test_a_peer_is_never_told_why() -> None:
    """Every way to be refused gives the same answer; the reason is in the bench and the log."""
    bench = EnrolmentBench()
    bench.ask(key_of(90), "taken", bench.token())
    used_up, revoked, expired, narrow = (
        bench.token(),
        bench.token(),
        bench.token(ttl_s=10),
        bench.token(id_pattern="db*"),
    )
    bench.ask(key_of(91), "other", used_up)
    bench.commit(bench.authority.revoke_token(bench.now, revoked.token_id).operations)
    bench.wait(10)
    good = bench.token(uses=10)
    unknown = JoinString(good.master_key, "a" * 10, good.secret)
    wrong = JoinString(good.master_key, good.token_id, b"x" * 32)
    false_master = JoinString(b"f" * 32, good.token_id, good.secret)
    cases = [
        ("token_unknown", A, "web1", unknown, {}),
        ("bad_proof", A, "web1", wrong, {}),
        ("bad_proof", A, "web1", false_master, {}),
        ("bad_proof", A, "web1", good, {"signed_for": B}),
        ("bad_time", A, "web1", good, {"skew_s": 601}),
        ("bad_time", A, "web1", good, {"skew_s": -601}),
        ("token_expired", A, "web1", expired, {}),
        ("token_used_up", A, "web1", used_up, {}),
        ("token_revoked", A, "web1", revoked, {}),
        ("token_other_id", A, "web1", narrow, {}),
        ("id_taken", A, "taken", good, {}),
    ]
    answers, clocks = set(), set()
    for reason, key, minion, join, more in cases:
        assert bench.ask(key, minion, join, **more) == "refused", reason  # type: ignore[arg-type]
        assert bench.reasons[0] == reason
        assert bench.last is not None
        assert reason in bench.last.reports[0].text
        answers.add((bench.last.answer.status, bench.last.answer.text.partition(";")[0]))
        clocks.add(clock_in(bench.last.answer.text))
    bench.change("reject", is_all=True)
    assert bench.ask(A, "web1", good) == "refused"
    assert bench.reasons == ("key_rejected",)
    assert bench.last is not None
    answers.add((bench.last.answer.status, bench.last.answer.text.partition(";")[0]))
    assert answers == {("refused", "refused")}
    assert clocks == {int(bench.now.wall)}
    assert not bench.authority.is_accepted(A)
    assert bench.kept.tokens[good.token_id].used == 0


@pytest.mark.parametrize("skew_s", [-600, -1, 0, 599])
def test_a_clock_within_ten_minutes_will_do(skew_s: float) -> None:
    bench = EnrolmentBench()
    assert bench.ask(A, "web1", bench.token(), skew_s=skew_s) == "accepted"


@pytest.mark.covers("H13")
def test_expiry_is_exact_and_concerns_no_minion_that_is_in() -> None:
    bench = EnrolmentBench()
    join = bench.token(ttl_s=100, uses=5)
    bench.wait(99.5)
    assert bench.ask(A, "web1", join) == "accepted"
    bench.wait(0.5)
    assert bench.ask(B, "web2", join) == "refused"
    bench.restart()
    assert bench.ask(C, "web3", join) == "refused"
    assert bench.ask(A, "web1", join) == "accepted"
    bench.wait(365 * 86400)
    assert bench.ask(A, "web1", join) == "accepted"


@pytest.mark.covers("B-79", "I12")
def test_a_clock_set_back_prolongs_no_token() -> None:
    bench = EnrolmentBench()
    join = bench.token(ttl_s=100)
    bench.wait(100)
    assert bench.ask(B, "web2", join) == "refused"
    bench.wall_s -= 86400
    assert bench.ask(A, "web1", join) == "refused"


@pytest.mark.covers("B-79", "I13")
def test_a_clock_that_was_far_ahead_once_keeps_no_token_alive() -> None:
    bench = EnrolmentBench()
    bench.wall_s += 10 * 365 * 86400
    bench.ask(B, "web2", bench.token())
    bench.wall_s -= 10 * 365 * 86400
    join = bench.token(ttl_s=100, uses=2)
    bench.wait(99)
    assert bench.ask(A, "web1", join) == "accepted"
    bench.wait(1)
    assert bench.ask(C, "web3", join) == "refused"
    assert bench.reasons[0] == "token_expired"


@pytest.mark.covers("R-3.9", "H5")
def test_an_id_that_is_taken_is_never_taken_over() -> None:
    bench = EnrolmentBench()
    join = bench.token(uses=5)
    bench.ask(A, "web1", join, address="192.0.2.1")
    assert bench.ask(B, "web1", join, address="192.0.2.2") == "refused"
    assert bench.shown() == [("web1", "accepted"), ("web1", "conflict")]
    assert bench.tags == ("key/web1/conflict",)
    assert bench.last is not None
    assert bench.last.events[0].data["beside"] == "192.0.2.1"
    assert bench.authority.is_accepted(A)
    assert not bench.authority.is_accepted(B)
    bench.change("delete", bench.authority.key_infos()[0].fingerprint)
    assert bench.ask(B, "web1", join) == "accepted"


def test_who_proved_a_token_that_is_over_waits_for_an_administrator() -> None:
    bench = EnrolmentBench()
    join = bench.token(ttl_s=10)
    bench.wait(11)
    assert bench.ask(A, "web1", join) == "refused"
    assert bench.shown() == [("web1", "pending")]
    bench.change("accept", "web1")
    assert bench.ask(A, "web1", join) == "accepted"
    wrong = JoinString(join.master_key, join.token_id, b"x" * 32)
    assert bench.ask(B, "web2", wrong) == "refused"
    assert bench.shown() == [("web1", "accepted")]


@pytest.mark.covers("R-8.3")
def test_a_deleted_key_does_not_come_back_by_its_old_token() -> None:
    bench = EnrolmentBench()
    join = bench.token(uses=5)
    bench.ask(A, "web1", join)
    bench.change("delete", "web1")
    for _ in range(2):
        assert bench.ask(A, "web1", join) == "refused"
        assert bench.reasons == ("key_deleted",)
        bench.restart()
    assert bench.ask(B, "web2", join) == "accepted"
    assert bench.ask(A, "web1", bench.token()) == "accepted"
    bench.wait(3600 + 8 * 86400)
    assert bench.kept.notes == {}


@pytest.mark.covers("R-3.6", "B-82")
@settings(max_examples=40, deadline=None)
@given(
    order=st.permutations([number % 50 for number in range(100)]),
    restarts=st.sets(st.integers(0, 99), max_size=5),
)
def test_fifty_who_share_ten_uses_are_ten(order: list[int], restarts: set[int]) -> None:
    """Each asks twice, in any order, with restarts of the master in between."""
    bench = EnrolmentBench()
    join = bench.token(uses=10)
    accepted = set()
    for step, number in enumerate(order):
        if step in restarts:
            bench.restart()
        address = f"192.0.2.{number}"
        if bench.ask(key_of(number), f"web{number}", join, address=address) == "accepted":
            accepted.add(number)
    assert len(accepted) == 10
    assert bench.authority.fleet == 10
    assert bench.kept.tokens[join.token_id].used == 10
    states = [row.state for row in bench.kept.keys.values()]
    assert states.count("accepted") == 10
    assert states.count("pending") == 40


def test_tokens_are_listed_with_their_state_and_go_when_long_over() -> None:
    bench = EnrolmentBench()
    joins = [bench.token(ttl_s=100) for _ in range(3)]
    bench.ask(A, "web1", joins[0])
    change = bench.authority.revoke_token(bench.now, f" {joins[1].token_id.upper()}\n")
    assert isinstance(change.reply, TokenInfo)
    assert change.reply.state == "revoked"
    assert [event.tag for event in change.events] == [f"token/{joins[1].token_id}/revoked"]
    states = {info.token_id: info.state for info in bench.authority.token_infos(bench.now)}
    assert [states[join.token_id] for join in joins] == ["used", "revoked", "open"]
    bench.wait(101)
    states = {info.token_id: info.state for info in bench.authority.token_infos(bench.now)}
    assert states[joins[2].token_id] == "expired"
    bench.wait(8 * 86400)
    assert bench.authority.token_infos(bench.now) == ()
    with pytest.raises(UsageError, match="there is no token"):
        bench.authority.revoke_token(bench.now, joins[0].token_id)


def test_there_is_a_bound_on_tokens() -> None:
    bench = EnrolmentBench()
    for _ in range(TOKENS_MAX):
        bench.token()
    with pytest.raises(UsageError, match="there are 1000 tokens already"):
        bench.token()


def test_the_real_cryptography_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    from limpet.common.crypto.proof import Ed25519Verifier, Statement, sign
    from limpet.common.messages.enrolment import EnrolRequest
    from limpet.master.enrolment.authority import EnrolmentAuthority

    bench = EnrolmentBench()
    master_key = bytes.fromhex(key_of(70))
    authority = EnrolmentAuthority(
        bench.kept.snapshot(bench.wall_s),
        now=bench.now,
        chance=random.SystemRandom(),
        verifier=Ed25519Verifier(master_key),
    )
    change = authority.create_token(
        bench.now, ttl_s=60, uses=1, id_pattern="web*", created_by="root"
    )
    join = parse_join_string(getattr(change.reply, "join_string"))  # noqa: B009
    assert join.master_key == master_key

    def ask(key: MinionKey) -> str:
        wall = int(bench.wall_s * 1_000_000)
        bare = EnrolRequest(1, 1, "0", "web1", b"n" * 16, wall, join.token_id, b"")
        statement = Statement.of(bare, master_key=master_key, minion_key=bytes.fromhex(A))
        signature = sign(join.secret, statement)
        request = EnrolRequest(1, 1, "0", "web1", b"n" * 16, wall, join.token_id, signature)
        return authority.decide(bench.now, key, "192.0.2.1", request).answer.status

    assert ask(B) == "refused"
    assert ask(A) == "accepted"
