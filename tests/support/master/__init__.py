"""A master, its store and its fleet, for tests."""
