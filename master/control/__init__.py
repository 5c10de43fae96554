"""The Unix socket of the master: who may come, what they ask, what they are told."""
