"""The events that are published: what happened, under a tag that is a path."""
