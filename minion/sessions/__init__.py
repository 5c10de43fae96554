"""The machine that connects, greets, syncs, beats, and comes back after every loss."""
