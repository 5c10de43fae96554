"""What the minion decides: one pure machine, its effects and settings."""
