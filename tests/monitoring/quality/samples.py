"""Simulated windows for tests; the benchmark's generator."""

from benchmarks.quality_worlds import World

__all__ = ["World"]
