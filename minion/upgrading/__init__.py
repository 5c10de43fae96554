"""Replacing the minion's own package: the new version proves itself, or the old one comes back."""
