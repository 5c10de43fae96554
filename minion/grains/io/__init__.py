"""The child process that collects the grains of this host."""
