"""Whatever attacks, cuts, delays or starves the processes under test."""
