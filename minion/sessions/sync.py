"""SYNC from the minion's side: what it holds, page by page, each answered before the next."""

from collections.abc import Sequence
from typing import Final

from limpet.common.identifiers import SessionId
from limpet.common.messages.fields import SYNC_PAGE_ENTRIES_MAX
from limpet.common.messages.session import SyncEntry, SyncPage

PAGE_ENTRIES: Final = SYNC_PAGE_ENTRIES_MAX


class SyncWalk:
    """One walk through the pages of a list made when the session began."""

    def __init__(self, entries: Sequence[SyncEntry], page_entries: int = PAGE_ENTRIES) -> None:
        assert page_entries >= 1
        self._entries = tuple(entries)
        self._page_entries = page_entries
        self.page = 0

    @property
    def is_last(self) -> bool:
        """Say whether the present page is the last."""
        return (self.page + 1) * self._page_entries >= len(self._entries)

    def message(self, session: SessionId) -> SyncPage:
        """Give the present page."""
        start = self.page * self._page_entries
        entries = self._entries[start : start + self._page_entries]
        return SyncPage(session, self.page, self.is_last, entries)

    def on_answered(self) -> bool:
        """Go on after an answer to the present page. False: it was the last, the list is let go.

        A session lasts for weeks, and the list may be ten thousand long.
        """
        if self.is_last:
            self._entries = ()
            return False
        self.page += 1
        return True
