"""What minions ask for while their jobs run: files, listings; pillar has its own room."""
