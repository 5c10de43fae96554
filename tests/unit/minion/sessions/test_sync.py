"""The walk through what a minion holds, page by page."""

from limpet.common.identifiers import SessionId
from limpet.common.messages.session import SyncEntry
from limpet.minion.sessions.sync import SyncWalk
from support.minion.minion_bench import jid


def test_each_page_is_answered_before_the_next_and_the_last_one_says_so() -> None:
    entries = [SyncEntry(jid(number), "running") for number in range(5)]
    walk = SyncWalk(entries, page_entries=2)
    seen: list[str] = []
    lasts: list[bool] = []
    while True:
        page = walk.message(SessionId(7))
        seen += [each.jid for each in page.entries]
        lasts.append(page.is_last)
        if not walk.on_answered():
            break
    assert seen == [each.jid for each in entries]
    assert lasts == [False, False, True]


def test_the_list_does_not_stay_for_as_long_as_the_session() -> None:
    walk = SyncWalk([SyncEntry(jid(1), "finished")])
    assert not walk.on_answered()
    assert walk.message(SessionId(7)).entries == ()
    assert walk.is_last
    assert not walk.on_answered(), "an answer that comes again changes nothing"
