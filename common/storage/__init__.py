"""What is kept on disk and how: files written whole or not at all, kernel locks, SQLite."""
