"""Every kind of message that a master hears, each with a way to count one of it.

A measure makes the message count for something: it looks at what was answered, or that the store
was changed. A new kind of message wants a measure here; `test_operations` does the rest.
"""

import hashlib
from collections.abc import Callable
from functools import partial
from typing import Final

from limpet.common.control.replies import JobStored, Keys, MasterStatus, Refused
from limpet.common.control.requests import (
    AskStatus,
    CancelJob,
    ChangeKeys,
    Request,
    WatchEvents,
    WatchJob,
)
from limpet.common.identifiers import MinionKey
from limpet.common.messages.jobs import (
    BulkAck,
    BulkChunk,
    BulkOffer,
    CancelAnswer,
    Output,
    ReturnAck,
    Started,
)
from limpet.common.messages.session import MasterBeat, SyncAnswer, Welcome
from limpet.common.messages.sources import Ask, Offer, Piece, Pull
from limpet.common.wire.codec import FromMinion
from limpet.master.core import effects as do
from limpet.master.files.reads import Found, PieceRead
from limpet.master.pillar.messages import Rendered
from support.counting.master_rig import BOOT_S, Rig, Talker
from support.counting.operations import Cost

BODY: Final = b"x" * 40_000
DIGEST: Final = hashlib.sha256(BODY).hexdigest()

Kind = Callable[[Rig, Talker, int], Cost]
KINDS: dict[str, Kind] = {}


def kind(measure: Kind) -> Kind:
    """Take a kind of message in: `measure` counts one, of this minion, the n-th of them."""
    KINDS[measure.__name__.strip("_").replace("_", " ")] = measure
    return measure


def said(rig: Rig, minion: Talker, *messages: FromMinion, gets: type | None = None) -> Cost:
    """Count the last of these messages; it has to be answered by this, or to change the store."""
    *before, last = messages
    for message in before:
        minion.do(message)
    sent, commit = len(rig.sent[minion.peer]) if minion.peer in rig.sent else 0, rig.store.commit
    cost = rig.count(lambda: minion.say(last))
    news = rig.sent.get(minion.peer, [])[sent:]
    if gets is None:
        assert rig.store.commit > commit or isinstance(last, Output), f"{last} changed nothing"
    else:
        assert any(isinstance(each, gets) for each in news), f"{last} was answered by {news}"
    return cost


def asked(rig: Rig, request: Request, gets: type | None) -> Cost:
    """Count a request of a client, answered by this; None: by the store."""
    client = rig.client()
    cost = rig.count(lambda: rig.ask(client, request))
    told = rig.told.get(client, [])
    assert not any(isinstance(each, Refused) for each in told), told
    assert gets is None or isinstance(told[0], gets), told
    return cost


# -- sessions -------------------------------------------------------------------------------------


@kind
def _hello_again(rig: Rig, minion: Talker, n: int) -> Cost:
    return said(rig, minion, minion.hello(), gets=Welcome)


@kind
def _sync_page(rig: Rig, minion: Talker, n: int) -> Cost:
    minion.do(minion.hello())
    minion.take()
    return said(rig, minion, minion.page(), gets=SyncAnswer)


@kind
def _trust_ack(rig: Rig, minion: Talker, n: int) -> Cost:
    minion.do(minion.hello())
    minion.take()
    minion.do(minion.page())
    cost = rig.count(lambda: minion.say(minion.ack()))
    session = rig.core._registry.by_key[minion.key].session
    assert session is not None
    assert session.has_trust
    return cost


@kind
def _beat(rig: Rig, minion: Talker, n: int) -> Cost:
    return said(rig, minion, minion.beat(), gets=MasterBeat)


@kind
def _grains(rig: Rig, minion: Talker, n: int) -> Cost:
    return said(rig, minion, minion.grains(f"news {n}"))


@kind
def _disconnect(rig: Rig, minion: Talker, n: int) -> Cost:
    cost = rig.count(lambda: rig.core.on_peer_gone(rig.now, minion.peer))
    assert rig.core._registry.by_key[minion.key].session is None
    return cost


@kind
def _bad_frame(rig: Rig, minion: Talker, n: int) -> Cost:
    return rig.count(lambda: rig.core.on_bad_frame(rig.now, minion.peer, minion.key, "bad_schema"))


@kind
def _queue_full(rig: Rig, minion: Talker, n: int) -> Cost:
    return rig.count(lambda: rig.core.on_send_failed(rig.now, minion.peer, "full"))


# -- jobs -----------------------------------------------------------------------------------------


@kind
def _a_command_for_one(rig: Rig, minion: Talker, n: int) -> Cost:
    return asked(rig, rig.request(minion.name), JobStored)


@kind
def _a_command_for_a_list(rig: Rig, minion: Talker, n: int) -> Cost:
    target = f"{minion.name},{rig.minions[-1 - n % 10].name},nobody"
    return asked(rig, rig.request(target, "list"), JobStored)


@kind
def _accepted(rig: Rig, minion: Talker, n: int) -> Cost:
    return said(rig, minion, minion.accept(rig.run(minion.name)))


@kind
def _started(rig: Rig, minion: Talker, n: int) -> Cost:
    jid = rig.run(minion.name)
    return said(rig, minion, minion.accept(jid), Started(minion.session, jid, 1))


@kind
def _returned(rig: Rig, minion: Talker, n: int) -> Cost:
    jid = rig.run(minion.name)
    return said(rig, minion, minion.accept(jid), minion.returned(jid))


@kind
def _accepted_of_a_job_of_all(rig: Rig, minion: Talker, n: int) -> Cost:
    return said(rig, minion, minion.accept(minion.delivered()[0].jid))


@kind
def _returned_of_a_job_of_all(rig: Rig, minion: Talker, n: int) -> Cost:
    return said(rig, minion, minion.returned(minion.delivered()[0].jid))


@kind
def _returned_twice(rig: Rig, minion: Talker, n: int) -> Cost:
    jid = rig.run(minion.name)
    return said(rig, minion, minion.returned(jid), minion.returned(jid), gets=ReturnAck)


@kind
def _output(rig: Rig, minion: Talker, n: int) -> Cost:
    jid = rig.run(minion.name)
    return said(rig, minion, minion.accept(jid), Output(minion.session, jid, 0, b"a line", 0))


@kind
def _bulk_offer(rig: Rig, minion: Talker, n: int) -> Cost:
    jid = rig.run(minion.name)
    return said(rig, minion, BulkOffer(minion.session, jid, DIGEST, len(BODY)), gets=BulkAck)


@kind
def _bulk_chunk(rig: Rig, minion: Talker, n: int) -> Cost:
    jid = rig.run(minion.name)
    offer = BulkOffer(minion.session, jid, DIGEST, len(BODY))
    return said(rig, minion, offer, BulkChunk(minion.session, jid, DIGEST, 0, BODY[:20_000]))


@kind
def _cancel(rig: Rig, minion: Talker, n: int) -> Cost:
    jid = rig.run(minion.name)
    return asked(rig, CancelJob(jid, ()), None)


@kind
def _cancel_answered(rig: Rig, minion: Talker, n: int) -> Cost:
    jid = rig.run(minion.name)
    rig.carry(rig.ask(rig.client(), CancelJob(jid, ())))
    rig.settle()
    return said(rig, minion, CancelAnswer(minion.session, jid, "cancelled"))


# -- people ---------------------------------------------------------------------------------------


@kind
def _jobs_show_of_one(rig: Rig, minion: Talker, n: int) -> Cost:
    jid = rig.run(minion.name)
    watch = WatchJob(jid, is_streamed=False, is_followed=True)
    return asked(rig, watch, None)


@kind
def _a_client_that_leaves(rig: Rig, minion: Talker, n: int) -> Cost:
    client = rig.client()
    rig.carry(rig.ask(client, rig.request(minion.name)))
    rig.settle()
    rig.effect_runner.on_client_gone(client)
    return rig.count(lambda: rig.core.on_client_gone(rig.now, client))


@kind
def _events(rig: Rig, minion: Talker, n: int) -> Cost:
    return rig.count(lambda: rig.ask(rig.client(), WatchEvents()))


@kind
def _status(rig: Rig, minion: Talker, n: int) -> Cost:
    return asked(rig, AskStatus(), MasterStatus)


@kind
def _one_key_rejected(rig: Rig, minion: Talker, n: int) -> Cost:
    change = ChangeKeys("reject", (minion.name,), False, False)
    return asked(rig, change, Keys)


# -- files and pillar -----------------------------------------------------------------------------


def answered(rig: Rig, minion: Talker, act: Callable[[], list[do.Effect]], gets: type) -> Cost:
    """Count an event after which the minion is told this."""
    sent = len(rig.sent[minion.peer])
    cost = rig.count(act)
    assert [type(each) for each in rig.sent[minion.peer][sent:]] == [gets]
    return cost


def ask(minion: Talker, n: int, what: str) -> Ask:
    name = f"file {n}" if what == "file" else ""
    return Ask(minion.session, n, what, "base", name, b"", "", 1000)  # type: ignore[arg-type]


@kind
def _question_for_a_file(rig: Rig, minion: Talker, n: int) -> Cost:
    cost = rig.count(lambda: minion.say(ask(minion, n, "file")))
    assert len(rig.read) == 1
    answer_files(rig)
    return cost


@kind
def _file_found(rig: Rig, minion: Talker, n: int) -> Cost:
    minion.do(ask(minion, n, "file"))
    ticket, _ = rig.read.pop()
    found = Found(True, DIGEST, len(BODY), b"", None)
    return answered(rig, minion, partial(rig.core.on_source_read, rig.now, ticket, found), Offer)


@kind
def _piece_of_a_file(rig: Rig, minion: Talker, n: int) -> Cost:
    pull = Pull(minion.session, n, "file", "base", f"file {n}", DIGEST, 0, 10_000)
    minion.do(pull)
    ticket, _ = rig.read.pop()
    piece = PieceRead(BODY[:10_000])
    return answered(rig, minion, partial(rig.core.on_source_read, rig.now, ticket, piece), Piece)


@kind
def _question_for_pillar(rig: Rig, minion: Talker, n: int) -> Cost:
    cost = rig.count(lambda: minion.say(ask(minion, n, "pillar")))
    assert len(rig.rendered) == 1
    answer_pillars(rig)
    return cost


@kind
def _pillar_rendered(rig: Rig, minion: Talker, n: int) -> Cost:
    minion.do(ask(minion, n, "pillar"))
    number = rig.rendered.pop().number
    rendered = Rendered(number, BODY, DIGEST, True, False, ())
    return answered(rig, minion, partial(rig.core.on_rendered, rig.now, rendered), Offer)


@kind
def _piece_of_pillar(rig: Rig, minion: Talker, n: int) -> Cost:
    minion.do(ask(minion, n, "pillar"))
    answer_pillars(rig)
    pull = Pull(minion.session, n + 1, "pillar", "base", "", DIGEST, 0, 10_000)
    return said(rig, minion, pull, gets=Piece)


# -- keys that are not known yet -------------------------------------------------------------------


def enrolled(rig: Rig, status: str, act: Callable[[], list[do.Effect]]) -> Cost:
    """Count a question of an unknown key, and see what it was told."""
    cost = rig.count(act)
    answer = rig.enrolled.pop(1)
    assert answer.status == status, answer
    return cost


def unknown_key(n: int) -> MinionKey:
    return MinionKey(f"{n:04x}{'3' * 58}00")


@kind
def _an_unknown_key_asks(rig: Rig, minion: Talker, n: int) -> Cost:
    return enrolled(rig, "pending", lambda: rig.enrol(unknown_key(0x4000 + n), f"new{n}"))


@kind
def _an_unknown_key_polls(rig: Rig, minion: Talker, n: int) -> Cost:
    rig.carry(rig.enrol(unknown_key(0x5000 + n), f"poller{n}"))
    rig.settle()
    rig.t += 15
    return enrolled(rig, "pending", lambda: rig.enrol(unknown_key(0x5000 + n), f"poller{n}"))


@kind
def _an_unknown_key_with_a_token(rig: Rig, minion: Talker, n: int) -> Cost:
    key = unknown_key(0x6000 + n)
    return enrolled(rig, "accepted", lambda: rig.enrol(key, f"invited{n}", "tok"))


@kind
def _an_accepted_key_polls(rig: Rig, minion: Talker, n: int) -> Cost:
    return enrolled(rig, "accepted", lambda: rig.enrol(minion.key, minion.name))


# -- time: last, since minions fall silent while it passes -----------------------------------------


def at_deadline(rig: Rig, name: tuple[str, str, str]) -> Cost:
    """Let time pass until this is due, and count that turn."""
    for _ in range(100_000):
        when = rig.core._timers.when(name)
        assert when is not None, f"{name} is not due at all"
        if rig.core.next_deadline >= when > rig.now.boot:
            rig.t = when - BOOT_S
            return rig.count(lambda: rig.core.on_deadline(rig.now))
        rig.due()
        rig.settle()
    raise AssertionError(f"{name} does not come to be due")


@kind
def _an_own_beat_is_due(rig: Rig, minion: Talker, n: int) -> Cost:
    def beats() -> int:
        return sum(isinstance(each, MasterBeat) for each in rig.sent[minion.peer])

    minion.do(minion.beat())
    sent = beats()
    cost = at_deadline(rig, ("session", minion.key, ""))
    while beats() == sent:  # it was set before the last beat
        cost = at_deadline(rig, ("session", minion.key, ""))
    return cost


@kind
def _a_delivery_is_due(rig: Rig, minion: Talker, n: int) -> Cost:
    minion.do(minion.beat())  # or it may be silent for too long before that is due
    jid = rig.run(minion.name)
    sent = len(minion.delivered())
    cost = at_deadline(rig, ("delivery", jid, minion.name))
    assert jid in [each.jid for each in minion.delivered()[sent:]]
    return cost


def answer_files(rig: Rig) -> None:
    """Let all that is read be not found."""
    while rig.read:
        ticket, _ = rig.read.pop()
        rig.carry(rig.core.on_source_read(rig.now, ticket, Found(False)))


def answer_pillars(rig: Rig) -> None:
    """Let all that is rendered come to the same pillar."""
    while rig.rendered:
        number = rig.rendered.pop().number
        rig.carry(rig.core.on_rendered(rig.now, Rendered(number, BODY, DIGEST, True, False, ())))
