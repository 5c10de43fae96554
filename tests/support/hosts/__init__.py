"""Hosts to run on: containers, roots of their own, the lab."""
