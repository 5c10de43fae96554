"""Kinds of requests: whatever file stands here is read when the master starts."""
