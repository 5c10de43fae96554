"""The `user` states: an account is there and as it should be, or is not there."""

from limpet.states.library.user.absent import absent
from limpet.states.library.user.present import present

__all__ = ["absent", "present"]
