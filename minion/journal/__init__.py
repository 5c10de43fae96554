"""What the minion's journal holds, and the bytes that it is written in."""
