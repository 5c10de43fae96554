"""The processes that run jobs: the fork server, a supervisor for each job, its worker."""
