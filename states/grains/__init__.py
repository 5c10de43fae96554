"""Grains: facts of a host with Salt's names and values, and those that its user has set."""
