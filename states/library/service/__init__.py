"""The `service` states: a service runs or is dead, is started at boot or not, is masked or not.

What a service manager is, `states/ports/services.py` says; which one this machine has is the
business of `states/host/services`.
"""

from limpet.states.library.service.boot import disabled, enabled
from limpet.states.library.service.masks import masked, unmasked
from limpet.states.library.service.running import dead, running
from limpet.states.library.service.watch import mod_watch

__all__ = ["dead", "disabled", "enabled", "masked", "mod_watch", "running", "unmasked"]
