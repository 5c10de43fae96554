"""Counting what a piece of code does, so that a test can say that it does not grow.

`operations` counts calls, lines and steps of C code through instrumented containers; `containers`
are these; `master_rig` is a master with a fleet to count on.
"""
