"""What the master decides: one pure machine, its effects, timers and settings."""
