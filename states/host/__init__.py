"""The real machine behind the ports; nothing else in `states` touches it."""
