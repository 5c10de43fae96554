"""What this minion's jobs ask of the master, on its way through the link and back."""
