"""The master's memory on disk: SQLite, one writer, one fsync for many."""
