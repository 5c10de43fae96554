"""Salt's recorded cases, trees of states, and how they are run."""
