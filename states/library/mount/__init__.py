"""The `mount` states: file systems and swap, now and at boot."""

from limpet.states.library.mount.mounted import mounted, unmounted
from limpet.states.library.mount.tables import fstab_absent, fstab_present, swap
from limpet.states.library.mount.watch import mod_watch

__all__ = ["fstab_absent", "fstab_present", "mod_watch", "mounted", "swap", "unmounted"]
