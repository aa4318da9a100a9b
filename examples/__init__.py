"""Examples that run as they stand, on real data: `python -m examples.flights demo` is the one to begin with."""
