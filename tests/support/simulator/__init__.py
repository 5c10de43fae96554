"""A deterministic world for the production state machines: one seed, one story.

`world` has the clock and the order of events; `network`, `disks`, `minion_host` and `master_host`
stand for what the shells touch; `operator` runs jobs; `faults` breaks things; `checkers` watches;
`story` puts a run together.
"""
