"""The `git` states: what is checked out on this machine, and how git is configured."""

from limpet.states.library.git.checkouts import cloned, detached
from limpet.states.library.git.configuration import config_set, config_unset
from limpet.states.library.git.latest import latest
from limpet.states.library.git.repository import present

__all__ = ["cloned", "config_set", "config_unset", "detached", "latest", "present"]
