"""Target expressions: what a person writes to say which minions are meant.

`target.compile_target` is the way in. Everything here is pure: no clock, no I/O, and a bound on
the work that any expression can cause.
"""
