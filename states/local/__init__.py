"""Execution functions and states without a master: `limpet call --local`."""
