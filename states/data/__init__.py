"""Nested mappings and lists, and lines of text: merged, searched, split."""
