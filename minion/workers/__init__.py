"""The processes that run jobs: the fork server, a supervisor for each job, its worker."""

from typing import Final

INTERFACE: Final = ("fork_server_messages", "job_processes", "value_encoding", "worker")
"""What other rooms may use of this one."""
