"""What this minion keeps of its master's keys, and how it comes to believe in the next ones."""
