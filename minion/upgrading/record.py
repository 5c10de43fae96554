"""What is on disk of an upgrade that is under way, and of the last one: plain values.

Each phase is on disk, synced, before the first act that belongs to it; so whoever reads the record
after a power cut knows what may have been done, and does it again. The files are the business of
`io/files.py`.
"""

from typing import Final, Literal

import msgspec

Phase = Literal[
    "prepared",
    "installing",
    "restarting",
    "proving",
    "going_back",
    "restoring",
    "done",
    "back",
    "failed",
    "overtaken",
]
Kind = Literal["package", "guard"]
"""package: a package file is installed. guard: somebody else installed one (apt, `pkg.installed`);
it only has to prove itself."""

FINAL: Final[frozenset[Phase]] = frozenset(("done", "back", "failed", "overtaken"))
READY_TIMEOUT_S: Final = 60.0
READY_TIMEOUT_S_MAX: Final = 3600.0


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One upgrade."""

    id: str
    """Random, 16 hex digits: whoever waits for this upgrade knows it by that."""
    kind: Kind
    phase: Phase
    old: str
    """Name of the versions directory that ran before: `VERSION-BUILD`."""
    old_version: str
    new_version: str
    new: str = ""
    """Versions directory of the new version; empty until it is installed."""
    package: str = ""
    """The package file on this host; empty where somebody else installed it."""
    sha256: str = ""
    previous: str = ""
    """The old version's package, rebuilt; empty: there is none."""
    ready_timeout_s: float = READY_TIMEOUT_S
    """How long the new version may take to be READY."""
    jid: str = ""
    boot_id: str = ""
    """Of the boot in which it was prepared."""
    started_s: float = 0.0
    """Seconds since 1970."""
    ended_s: float = 0.0
    seconds: float = 0.0
    """From the preparation until the version that stayed was READY."""
    reason: str = ""
    """Why the new version was given up; empty: it was not."""
    notices: tuple[str, ...] = ()
    """What a person should know besides."""

    @property
    def is_final(self) -> bool:
        """Say whether nothing more is done."""
        return self.phase in FINAL

    @property
    def summary(self) -> str:
        """Say in a sentence how it ended, or how far it is."""
        notices = "".join(f"; {text}" for text in self.notices)
        if self.phase == "done":
            return f"upgraded from {self.old_version} to {self.new_version}{notices}"
        if self.phase == "back":
            return f"rolled back to {self.old_version}: {self.reason}{notices}"
        if self.phase == "overtaken":
            return f"the upgrade to {self.new_version} was overtaken: {self.reason}{notices}"
        if self.phase == "failed":
            return (
                f"the upgrade to {self.new_version} failed ({self.reason}), and "
                f"{self.old_version} is not READY either{notices}"
            )
        why = f" ({self.reason})" if self.reason else ""
        return f"upgrade from {self.old_version} to {self.new_version}: {self.phase}{why}"
