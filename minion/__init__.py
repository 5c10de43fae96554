"""The minion: keeps its link to the master, runs jobs, loses no result."""
