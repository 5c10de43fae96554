"""How the master is, for people and monitoring: counters, gauges, the status report, metrics."""
