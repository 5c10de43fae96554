"""The life of a job: one delivery for each minion, the table of all jobs, and who follows them."""

from typing import Final

INTERFACE: Final = ("batch", "delivery", "job_table")
"""What other rooms may use of this one."""
