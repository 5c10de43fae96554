"""Rounds of faults on hosts: what befalls them, what runs meanwhile, and what has to hold after."""
