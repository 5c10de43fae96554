"""`limpet doctor`: what is looked at on a host of either kind. Each role adds its own checks."""
