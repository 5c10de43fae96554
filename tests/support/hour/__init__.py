"""A fleet in one simulated hour of churn, and a census of all that both sides hold.

On the simulator's hosts (`support.simulator`), with the production shell of the master's effects
(`EffectRunner`) and its rates on the enrolment port. `census` counts, `memories` says what may have
grown and how far, `churn` is what happens, `fleet` puts it together.
"""
