"""Pages of the documentation that tests write or check."""
