"""The child process that collects the facts of this host."""
