"""A minion and its journal, for tests."""
