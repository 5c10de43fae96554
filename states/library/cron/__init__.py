"""The `cron` states: jobs and variables in the crontabs of this machine's users."""

from limpet.states.library.cron.file import file
from limpet.states.library.cron.jobs import absent, present
from limpet.states.library.cron.variables import env_absent, env_present

__all__ = ["absent", "env_absent", "env_present", "file", "present"]
