"""The checks of lint: one file for each thing that is looked at."""
