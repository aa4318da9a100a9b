"""Metrics of the endpoint: `families` names each one, `counters` keeps them in memory that every process maps."""
