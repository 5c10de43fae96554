"""Logs and metrics, alike at master and minion."""
